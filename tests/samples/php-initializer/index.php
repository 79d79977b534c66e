<?php
// What the initializer prepares, every call of the instance finds.
$prepared = 0;
$calls = 0;

function initializer($context)
{
    global $prepared;
    $prepared += 1;
    echo "preparing\n";
    return "ignored";
}

function handler($event, $context)
{
    global $prepared, $calls;
    $calls += 1;
    return ["prepared" => $prepared, "calls" => $calls];
}
