<?php
// Turns the bytes of a body around.
function handler($event, $context)
{
    $body = $event["isBase64Encoded"] ? base64_decode($event["body"]) : $event["body"];
    return [
        "statusCode" => 200, "isBase64Encoded" => true, "headers" => ["Content-Type" => "application/octet-stream"],
        "body" => base64_encode(strrev($body)),
    ];
}
