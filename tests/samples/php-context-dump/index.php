<?php
// Tells what a function can learn of itself.
const METHODS = [
    "getRequestID", "getRemainingTimeInMilliSeconds", "getRunningTimeInSeconds", "getAccessKey", "getSecretKey", "getSecurityAccessKey",
    "getSecuritySecretKey", "getSecurityToken", "getToken", "getFunctionName", "getVersion", "getPackage", "getProjectID", "getAlias",
    "getMemorySize", "getCPUNumber", "getWorkflowID", "getWorkflowRunID", "getWorkflowStateID",
];

function handler($event, $context)
{
    $values = [];
    $missing = [];
    foreach (METHODS as $method) {
        if (is_callable([$context, $method])) {
            $values[$method] = $context->$method();
        } else {
            $missing[] = $method;
        }
    }
    $env = [];
    foreach (["FUNC_VERSION", "PACKAGE", "HANDLER", "TIMEOUT", "CPU", "MEMORY", "CODE_ROOT", "USERDATA"] as $name) {
        $env["RUNTIME_$name"] = getenv("RUNTIME_$name");
    }
    return [
        "missing" => $missing, "values" => $values, "env" => $env, "uid" => fileowner("/proc/self/status"), "cwd" => getcwd(),
        "colour" => $context->getUserData("colour"), "none" => $context->getUserData("none"), "leaked" => getenv("colour"),
        "logger" => is_callable([$context->getLogger(), "info"]),
    ];
}
