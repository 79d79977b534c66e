<?php
// One thing at a time: nobody else is inside while this waits.
$inside = 0;

function handler($event, $context)
{
    global $inside;
    $inside += 1;
    echo "hello ", $event["name"], "\n";
    usleep(100000);
    $most = $inside;
    $inside -= 1;
    return ["name" => $event["name"], "inside" => $most, "request" => $context->getRequestID()];
}
