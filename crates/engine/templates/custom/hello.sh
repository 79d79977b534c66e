#!/bin/sh
# Asks for one event after the other and says hello to whoever it names. Any program that speaks HTTP can stand here.
base="http://${RUNTIME_API_ADDR}/v1/runtime/invocation"
head=$(mktemp)
while true; do
  event=$(curl -sS -D "$head" "$base/request") || { sleep 1; continue; }
  id=$(grep -i '^x-cff-request-id:' "$head" | head -n 1 | cut -d: -f2 | tr -d '[:space:]')
  [ -n "$id" ] || continue
  name=$(printf '%s' "$event" | sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
  curl -sS -o /dev/null -X POST -d "Hello, ${name:-world}!" "$base/response/$id"
done
