<?php
require "index.php";
require "beside.php";

function run($event, $context)
{
    return [from_root(), from_beside(), array_map("basename", glob("code/src/app/s*.php"))];
}
