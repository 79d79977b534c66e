<?php
// Debug lines are hidden until the level says otherwise.
function handler($event, $context)
{
    $log = $context->getLogger();
    $log->debug("one hidden");
    $log->info("two visible");
    $log->setLevel("DEBUG");
    $log->debug("three now visible");
    $log->setLevel("ERROR");
    $log->warn("four hidden");
    $log->error("five visible");
    echo "six echoed\n";
    fwrite(STDERR, "seven on stderr\n");
    error_log("eight logged");
    echo str_repeat("long", 30000), "\n";
    echo "nine without an end";
    return "done";
}
