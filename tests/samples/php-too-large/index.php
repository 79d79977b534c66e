<?php
function handler($event, $context)
{
    return str_repeat("x", $event["bytes"]);
}
