<?php
// Says hello. Run it with: fungraph invoke examples/hello-php --data '{"name": "Ada"}'

function handler($event, $context)
{
    $name = $event['name'] ?? 'world';
    $context->getLogger()->info("saying hello to $name");
    return ['message' => "Hello, $name!", 'request' => $context->getRequestID()];
}
