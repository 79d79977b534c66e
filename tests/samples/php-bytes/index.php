<?php
// Every byte value once, or as many text characters.
function handler($event, $context)
{
    return implode("", array_map("chr", range(0, $event["last"])));
}
