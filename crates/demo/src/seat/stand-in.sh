#!/bin/sh
# Stands in for a member in the tests of a seat: writes down its orders, dies of "crash", is deaf after "hang".
while read -r order; do
    echo "$$ $order"
    case $order in
    crash) exit 7 ;;
    hang) exec sleep 600 ;;
    esac
done
