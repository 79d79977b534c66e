<?php
// Says hello to whoever the event names.
function handler($event, $context) {
    $name = $event["name"] ?? "world";
    $context->getLogger()->info("saying hello to $name");
    return "Hello, $name!";
}
