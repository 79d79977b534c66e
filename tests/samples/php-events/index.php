<?php
// Objects are arrays with names; what PHP writes is what json_encode writes.
function handler($event, $context)
{
    return $event["nothing"] ?? true ? ["seen" => $event, "slash" => "a/é"] : null;
}
