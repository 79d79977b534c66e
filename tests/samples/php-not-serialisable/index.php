<?php
// Each of these json_encode refuses, or would lose.
function handler($event, $context)
{
    switch ($event["what"]) {
        case "cycle":
            $knot = new stdClass();
            $knot->me = $knot;
            return $knot;
        case "infinity":
            return [INF];
        case "closure":
            return function () {};
        default:
            return ["what" => "fine"];
    }
}
