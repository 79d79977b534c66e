<?php
// No handler of PHP sees this error.
function helper()
{
}

eval("function helper() {}");

function handler($event, $context)
{
    return "reached";
}
