<?php
// php.ini has no say in it: the function's memory is what it was created with.
function handler($event, $context)
{
    if (isset($event["limit"])) {
        ini_set("memory_limit", $event["limit"]);
    }
    $filled = [];
    for ($megabyte = 0; $megabyte < $event["megabytes"]; $megabyte++) {
        $filled[] = str_repeat("x", 1 << 20);
    }
    return ["filled" => count($filled)];
}
