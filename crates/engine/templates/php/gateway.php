<?php
// Answers an HTTP request that a gateway trigger hands on.
function handler($event, $context) {
    $body = $event["body"] ?? "";
    if ($event["isBase64Encoded"] ?? false) {
        $body = base64_decode($body);
    }
    $name = $event["queryStringParameters"]["name"] ?? "world";
    return [
        "statusCode" => 200,
        "headers" => ["Content-Type" => "text/plain"],
        "isBase64Encoded" => false,
        "body" => "Hello, $name! You sent " . strlen($body) . " characters.",
    ];
}
