<?php
// The page is put together in a buffer, where warnings must not show.
function handler($event, $context)
{
    ob_start();
    echo "<p>", $undefined, "</p>";
    $page = ob_get_clean();
    trigger_error("mind the step", E_USER_WARNING);
    $quiet = @file_get_contents("/nowhere");
    return ["page" => $page, "quiet" => $quiet];
}
