<?php
// The handler must not be reached.
function initializer($context)
{
    throw new RuntimeException("no database today");
}

function handler($event, $context)
{
    return "reached";
}
