<?php
// What was printed before the end is in the log.
function handler($event, $context)
{
    if (isset($event["code"])) {
        echo "leaving";
        exit($event["code"]);
    }
    return "still here";
}
