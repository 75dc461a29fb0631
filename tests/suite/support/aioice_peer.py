"""One peer of aioice. What it prints goes to the other peer, line by line, and the other way round:
first the description, then what the attempt came to. Arguments: role, STUN server, its port."""

import asyncio
import json
import sys

import aioice
import aioice.stun

# A check is given up 3.1 s after it was first sent instead of 31.5 s: 0, 0.1, 0.3, 0.7, 1.5 s. The
# check list itself then says that it has failed.
aioice.stun.RETRY_MAX = 4
aioice.stun.RETRY_RTO = 0.1


async def read_line(lines):
    line = await lines.readline()
    if not line:
        sys.exit("the other peer has ended")
    return json.loads(line)


async def connect(connection):
    try:
        await connection.connect()
    except ConnectionError:
        return {"connected": False}
    # Data must pass both ways. The other side may be connected a moment later: its answer to the
    # first packet it gets comes then.
    await connection.send(b"hello")
    while True:
        data = await connection.recv()
        await connection.send(b"heard")
        if data == b"heard":
            break
    nominated = connection._nominated[1]
    return {
        "connected": True,
        "pair": [nominated.local_candidate.type, nominated.remote_candidate.type],
    }


async def main(role, server, port):
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    connection = aioice.Connection(
        ice_controlling=role == "controlling", stun_server=(server, port), use_ipv6=False
    )
    await connection.gather_candidates()
    candidates = [candidate.to_sdp() for candidate in connection.local_candidates]
    own = {
        "user": connection.local_username,
        "password": connection.local_password,
        "candidates": candidates,
    }
    print(json.dumps(own), flush=True)
    other = await read_line(lines)
    connection.remote_username = other["user"]
    connection.remote_password = other["password"]
    for candidate in other["candidates"]:
        await connection.add_remote_candidate(aioice.Candidate.from_sdp(candidate))
    await connection.add_remote_candidate(None)
    print(json.dumps(await connect(connection)), flush=True)
    # it may need our answers until it is done
    await read_line(lines)
    await connection.close()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
