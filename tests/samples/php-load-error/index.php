<?php
// The included file cannot be read as PHP.
require __DIR__ . "/lib/broken.php";

function handler($event, $context)
{
    return "reached";
}
