<?php
// The child must be gone too.
function handler($event, $context)
{
    if ($event["sleep"] > 0) {
        $child = proc_open("exec sleep 301", [], $pipes);
        sleep($event["sleep"]);
    }
    return ["slept" => $event["sleep"]];
}
