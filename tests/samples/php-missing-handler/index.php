<?php
// The configuration says handler.
function main($event, $context)
{
    return "reached";
}
