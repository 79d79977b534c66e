<?php
// strlen counts bytes: each of these characters has more than one.
function handler($event, $context)
{
    echo "grüßt ", $event["name"], "\n";
    if ($event["name"] === "誰") {
        throw new LogicException("kenne {$event["name"]} nicht");
    }
    return ["text" => $event["name"], "bytes" => strlen($event["name"])];
}
