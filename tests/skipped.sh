# skipped.sh FILE: what the tests skipped, from the file where they gathered it (a line for each: the
# test, a tab, why), and as the last line how many. `make test` ends with this.
set -eu
count=$(cut -f 1 "$1" | sort -u | wc -l)
sort -u "$1" | awk -F '\t' '{ print "SKIPPED: " $1 ": " $2 }'
case $count in
    0) echo "no test was skipped" ;;
    1) echo "1 test skipped" ;;
    *) echo "$count tests skipped" ;;
esac
