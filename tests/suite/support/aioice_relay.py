"""Two peers of aioice in one process that may use relayed candidates only. Arguments: the TURN
server, its port, a user, a password, the transport to it. Prints what the pair came to."""

import asyncio
import json
import sys

import aioice


def peer(controlling, server, port, user, password, transport):
    return aioice.Connection(
        ice_controlling=controlling,
        turn_server=(server, int(port)),
        turn_username=user,
        turn_password=password,
        turn_transport=transport,
        use_ipv6=False,
        transport_policy=aioice.TransportPolicy.RELAY,
    )


async def tell(one, other):
    other.remote_username = one.local_username
    other.remote_password = one.local_password
    for candidate in one.local_candidates:
        await other.add_remote_candidate(candidate)
    await other.add_remote_candidate(None)


async def main(*arguments):
    a, b = peer(True, *arguments), peer(False, *arguments)
    await asyncio.gather(a.gather_candidates(), b.gather_candidates())
    await asyncio.gather(tell(a, b), tell(b, a))
    await asyncio.gather(a.connect(), b.connect())
    heard = []
    for one, other in [(a, b), (b, a)]:
        for n in range(20):
            await one.send(b"packet %d" % n)
            heard.append((await other.recv()).decode())
    types = [candidate.type for candidate in a.local_candidates + b.local_candidates]
    pairs = [side._nominated[1] for side in (a, b)]
    selected = [[pair.local_candidate.type, pair.remote_candidate.type] for pair in pairs]
    await asyncio.gather(a.close(), b.close())
    print(json.dumps({"heard": heard, "types": types, "selected": selected}))


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 20))
