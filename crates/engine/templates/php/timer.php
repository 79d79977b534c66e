<?php
// Runs each time its timer fires. What the timer carries is a text, even where it holds JSON.
function handler($event, $context) {
    $context->getLogger()->info("fired at " . $event["time"]);
    return $event["trigger_name"] . " did: " . $event["user_event"];
}
