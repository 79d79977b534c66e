<?php
/**
 * Runs the contract's samples against a bootstrap and compares, as far as a bootstrap has a say. Left to the platform: time limits, memory, how a
 * process ended, and what a gateway makes of a result.
 */

namespace fungraph\tests;

const SAMPLES = __DIR__ . '/../../../tests/contract/samples';
const OUTCOMES = ['returned', 'raised', 'init_failed'];

/** Folders of the samples in PHP, by name. */
function sample_folders()
{
    $found = [];
    foreach (glob(SAMPLES . '/php-*', GLOB_ONLYDIR) as $sample) {
        $found[basename($sample)] = $sample;
    }
    return $found;
}

function run_sample($source, Scene $scene)
{
    $fixture = json_decode(file_get_contents($source . '/fixture.json'), true);
    $folder = $scene->folder . '/sample';
    copy_folder($source, $folder);
    $instance = null;
    foreach (array_merge([$fixture], $fixture['then'] ?? []) as $step) {
        if (!in_array($step['expect']['outcome'], OUTCOMES, true)) {
            continue;
        }
        $answer = null;
        if ($instance === null) {
            $instance = $scene->blank();
            $answer = start($instance, $fixture, $folder);
        }
        $event = $step['event_raw'] ?? json_encode($step['event'] ?? new \stdClass());
        check_step($answer ?? $instance->answer($instance->begin($event)), $step['expect'], $instance);
        if ($answer !== null) {
            $instance = null;
        }
    }
}

/** Loads and initializes; gives the answer that failed, or null. */
function start(Instance $instance, array $fixture, $folder)
{
    $loaded = $instance->load($folder, [
        'runtime' => $fixture['runtime'], 'handler' => $fixture['handler'], 'initializer' => $fixture['initializer_handler'] ?? null,
        'timeout_ms' => ($fixture['timeout'] ?? 3) * 1000, 'memory_mb' => $fixture['memory_size'] ?? 128,
        'user_data' => (object) ($fixture['user_data'] ?? []),
    ]);
    if ($loaded->kind === FAILED) {
        return $loaded;
    }
    if (!isset($fixture['initializer_handler'])) {
        return null;
    }
    // The log of the initializer belongs to the call that pays for it, the first.
    $initialized = $instance->initialize(1);
    return $initialized->kind === FAILED ? $initialized : null;
}

function copy_folder($source, $target)
{
    mkdir($target, 0755, true);
    foreach (array_diff(scandir($source), ['.', '..', 'fixture.json']) as $name) {
        is_dir("$source/$name") ? copy_folder("$source/$name", "$target/$name") : copy("$source/$name", "$target/$name");
    }
}

function check_step(Answer $answer, array $expect, Instance $instance)
{
    $outcome = $answer->code === 4009 ? 'init_failed' : [RESULT => 'returned', FAILED => 'raised'][$answer->kind];
    same([$outcome], [$expect['outcome']], $answer->text);
    $log = $answer->log . $instance->printed();
    foreach ($expect as $key => $wanted) {
        check_key($key, $wanted, $answer, $log);
    }
}

function check_key($key, $wanted, Answer $answer, $log)
{
    switch ($key) {
        case 'inner_code':
            return same($answer->code, $wanted, $answer->text);
        case 'result':
            return fits($answer->json(), $wanted);
        case 'result_like':
            foreach ($wanted as $field => $value) {
                fits($answer->json()[$field] ?? null, $value);
            }
            return;
        case 'result_text':
            return same([$answer->form, $answer->text], [1, $wanted]);
        case 'result_length':
            return same(strlen($answer->text), $wanted);
        case 'result_empty':
            return same([$answer->form, $answer->text], [0, '']);
        case 'content_type':
            return same($answer->form === 2, $wanted === 'application/json');
        case 'error':
            return check_error($answer, $wanted);
        case 'http':
            return check_http($answer->json(), $wanted);
        case 'logs':
            foreach ((array) $wanted as $line) {
                holds(strpos($log, $line) !== false, "$line in $log");
            }
            return;
        case 'logs_absent':
            foreach ((array) $wanted as $line) {
                holds(strpos($log, $line) === false, "no $line in $log");
            }
            return;
        case 'outcome':
        case 'same_instance':
            return;
        default:
            throw new \Exception("these tests do not know the expectation $key");
    }
}

function check_error(Answer $answer, array $wanted)
{
    $error = $answer->json();
    holds(strpos($answer->log, $answer->text) !== false, $answer->log);
    $stack = implode("\n", $error['stackTrace'] ?? []);
    foreach ($wanted as $key => $value) {
        switch ($key) {
            case 'errorType':
            case 'errorMessage':
                fits($error[$key], $value);
                break;
            case 'errorMessage_contains':
                holds(strpos($error['errorMessage'], $value) !== false, $answer->text);
                break;
            case 'stackTrace':
                same(isset($error['stackTrace']), $value, $answer->text);
                break;
            case 'stackTrace_contains':
                foreach ((array) $value as $part) {
                    holds(strpos($stack, $part) !== false, "$part in $stack");
                }
                break;
            case 'stackTrace_absent':
                foreach ((array) $value as $part) {
                    holds(strpos($stack, $part) === false, "no $part in $stack");
                }
                break;
            default:
                throw new \Exception("these tests do not know the expectation error.$key");
        }
    }
}

function check_http(array $value, array $http)
{
    same($value['statusCode'], $http['status']);
    $headers = array_change_key_case($value['headers']);
    foreach ($http['headers'] ?? [] as $name => $text) {
        same($headers[strtolower($name)], $text);
    }
    $body = $value['isBase64Encoded'] ? base64_decode($value['body']) : $value['body'];
    if (isset($http['body_text'])) {
        same($body, $http['body_text']);
    }
    if (isset($http['body_json'])) {
        same(json_decode($body, true), $http['body_json']);
    }
}

/** A value, or one of the matchers of samples/README.md. */
function fits($value, $wanted)
{
    $matcher = is_array($wanted) ? key($wanted) : null;
    if ($matcher === '$one_of') {
        holds(in_array($value, $wanted['$one_of'], true), json_encode($value));
    } elseif ($matcher === '$between') {
        holds($wanted['$between'][0] <= $value && $value <= $wanted['$between'][1], json_encode($value));
    } elseif ($matcher === '$regex') {
        holds(preg_match('~' . $wanted['$regex'] . '~', $value) === 1, json_encode($value));
    } else {
        same($value, $wanted);
    }
}

function same($seen, $wanted, $about = '')
{
    if (sorted($seen) !== sorted($wanted)) {
        $text = substr(json_encode($seen, JSON_PARTIAL_OUTPUT_ON_ERROR), 0, 2000);
        throw new \Exception("$text instead of " . substr(json_encode($wanted), 0, 2000) . ' ' . substr($about, 0, 2000));
    }
}

/** Objects have no order. */
function sorted($value)
{
    if (is_array($value)) {
        $value = array_map('fungraph\tests\sorted', $value);
        ksort($value);
    }
    return $value;
}

function holds($condition, $about)
{
    if (!$condition) {
        throw new \Exception('it does not hold: ' . substr($about, 0, 2000));
    }
}
