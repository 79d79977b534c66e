<?php
/**
 * Starts the real bootstrap and speaks the protocol with it.
 *
 *     php runtimes/php/tests/test_bootstrap.php [part of a name]
 *
 * FUNGRAPH_TEST_PHPS, a list with colons, names the interpreters to test instead of the one that runs this.
 */

namespace fungraph\tests;

require __DIR__ . '/instance.php';
require __DIR__ . '/samples.php';

error_reporting(E_ALL);
set_error_handler(function ($level, $message, $file, $line) {
    // What is silenced with @ is meant to fail.
    if ((error_reporting() & $level) !== 0) {
        throw new \ErrorException($message, 0, $level, $file, $line);
    }
});

const ENTRY = 'function entry exception, error: ';
const INVOCATION = 'function invocation exception, error: ';
const INITIALIZATION = 'function initialization exception, error: ';

/** What one test works with: a code folder, and instances that are gone when it ends. */
final class Scene
{
    public $php;
    public $version;
    public $folder;
    private $instances = [];

    public function __construct($php)
    {
        $this->php = $php;
        $this->version = trim(shell_exec(escapeshellarg($php) . ' -n -r "echo PHP_VERSION;"'));
        $this->folder = sys_get_temp_dir() . '/fungraph-' . new_id();
        mkdir($this->folder);
    }

    public function write($name, $source)
    {
        $file = "$this->folder/$name";
        is_dir(dirname($file)) || mkdir(dirname($file), 0755, true);
        file_put_contents($file, $source);
    }

    public function blank(array $flags = [])
    {
        return $this->instances[] = new Instance($this->php, $flags);
    }

    public function loaded($source, array $changes = [], array $flags = [])
    {
        $this->write('index.php', "<?php\n" . $source);
        $instance = $this->blank($flags);
        $answer = $instance->load($this->folder, $changes);
        same($answer->kind, LOADED, $answer->text);
        return $instance;
    }

    /** The Answer of a LOAD that fails with 4001. */
    public function refused($source, array $changes = [])
    {
        if ($source !== null) {
            $this->write('index.php', "<?php\n" . $source);
        }
        $answer = $this->blank()->load($this->folder, $changes);
        same([$answer->kind, $answer->code], [FAILED, 4001], $answer->text);
        holds(strpos($answer->json()['errorMessage'], ENTRY) === 0, $answer->text);
        holds(strpos($answer->log, $answer->text) !== false, $answer->log);
        return $answer;
    }

    public function clear()
    {
        foreach ($this->instances as $instance) {
            $instance->kill();
        }
        remove($this->folder);
    }
}

function remove($path)
{
    foreach (array_diff(scandir($path), ['.', '..']) as $name) {
        is_dir("$path/$name") && !is_link("$path/$name") ? remove("$path/$name") : unlink("$path/$name");
    }
    rmdir($path);
}

function failed(Answer $answer, $code, $type, $message)
{
    same([$answer->kind, $answer->code], [FAILED, $code], $answer->text);
    same([$answer->json()['errorType'], $answer->json()['errorMessage']], [$type, $message]);
    holds(strpos($answer->log, $answer->text) !== false, $answer->log);
}

function returned(Answer $answer, $form, $text)
{
    same([$answer->kind, $answer->form, substr($answer->text, 0, 500)], [RESULT, $form, $text], $answer->text);
}

$tests = [];

foreach (sample_folders() as $name => $source) {
    $tests["sample $name"] = function (Scene $scene) use ($source) {
        run_sample($source, $scene);
    };
}

$tests['hello names the version'] = function (Scene $scene) {
    $hello = $scene->loaded('function handler($event, $context) {}')->hello;
    preg_match('/^\d+\.\d+\.\d+/', $scene->version, $version);
    same($hello->json(), ['protocol' => 1, 'language' => 'php', 'version' => $version[0]]);
};

$tests['what cannot be loaded'] = function (Scene $scene) {
    same($scene->refused(null, ['handler' => 'gone/away.handler'])->json(), [
        'errorMessage' => ENTRY . "not found module './gone/away.php'", 'errorType' => 'FunctionLoadError',
    ]);
    foreach (['$handler = 7;' => 'handler', 'function handler() {}' => 'end', '' => ''] as $source => $name) {
        same($scene->refused($source, ['handler' => "index.$name"])->json(), [
            'errorMessage' => ENTRY . "handler '$name' not found in module './index.php'", 'errorType' => 'FunctionConfigError',
        ]);
    }
    $arity = $scene->refused('function handler($event, $context, $more) {}')->json();
    same($arity['errorMessage'], ENTRY . 'expect to have 2 parameters, but received 3');
    $broken = $scene->refused("\$a = 1;\n\$b = = 2;\n")->json();
    same([$broken['errorType'], $broken['stackTrace']], ['FunctionLoadError', ['at ./index.php:3']]);
    holds(strpos($broken['errorMessage'], ENTRY . 'syntax error, ') === 0, $broken['errorMessage']);
    $throwing = $scene->refused("function sink() { throw new RangeException('full'); }\n\nsink();")->json();
    same($throwing['errorMessage'], ENTRY . 'full');
    same($throwing['stackTrace'], ['at sink (./index.php:2)', 'at ./index.php:4']);
    $missing = $scene->refused('require "lib/none.php";');
    holds(strpos($missing->json()['errorMessage'], 'lib/none.php') !== false, $missing->text);
    // What PHP 8 throws, PHP 7 ends the script with.
    same($missing->form, version_compare($scene->version, '8.0', '>=') ? 0 : 1);
    $twice = $scene->refused('function handler($event, $context) {} function handler($event, $context) {}');
    same([$twice->json()['errorType'], $twice->form], ['FunctionLoadError', 1]);
    holds(strpos($twice->json()['errorMessage'], ENTRY . 'Cannot redeclare ') === 0, $twice->text);
    $leaving = $scene->refused('echo "part"; exit(3);');
    same([$leaving->json()['errorMessage'], $leaving->form], [ENTRY . 'exit was called while the file was loaded', 1]);
    holds(strpos($leaving->log, "part\n") === 0, $leaving->log);
};

$tests['files of a function'] = function (Scene $scene) {
    $scene->write('lib/one.php', '<?php function one() { return 1; }');
    $scene->write('src/two.php', '<?php function two() { return 2; }');
    $scene->write('src/index.php', '<?php
        $top = "global"; require "lib/one.php"; require "two.php"; require_once __DIR__ . "/two.php";
        function handler($event, $context) { global $top; return [$top, $GLOBALS["top"], one(), two(), $_SERVER["argv"][0] === __FILE__]; }
        function warm($context) { global $top; $top = "warm"; }');
    $scene->write('other.php', '<?php function cold($context) { global $top; $top = "other"; }');
    foreach ([[null, 'global'], ['src/index.warm', 'warm'], ['other.cold', 'other']] as list($initializer, $top)) {
        $instance = $scene->blank();
        same($instance->load($scene->folder, ['handler' => 'src/index.handler', 'initializer' => $initializer])->kind, LOADED);
        same($initializer === null ? INITIALIZED : $instance->initialize(9)->kind, INITIALIZED);
        same($instance->call([])->json(), [$top, $top, 1, 2, true]);
        same($instance->printed(), '');
    }
};

$tests['nothing of the bootstrap is in the global scope'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) { return array_keys($GLOBALS); }');
    $known = ['_GET', '_POST', '_COOKIE', '_FILES', '_SERVER', '_ENV', '_REQUEST', 'argv', 'argc', 'GLOBALS'];
    same(array_values(array_diff($instance->call([])->json(), $known)), []);
};

$tests['results'] = function (Scene $scene) {
    $instance = $scene->loaded('
        class Shape implements JsonSerializable { public $a = 1; private $b = 2; #[ReturnTypeWillChange]
            function jsonSerialize() { return ["own" => true]; } }
        function handler($event, $context) {
            $values = ["null" => null, "text" => "é€", "empty" => "", "zero" => 0, "no" => false, "list" => [1, "é/"],
                "map" => ["a" => 1], "none" => [], "object" => (object) ["a" => null], "own" => new Shape(), "float" => 0.1,
                "bytes" => "\xff\x00a", "event" => $event];
            return $values[$event];
        }');
    foreach ([['null', 0, ''], ['text', 1, 'é€'], ['empty', 1, ''], ['zero', 2, '0'], ['no', 2, 'false'], ['list', 2, '[1,"\u00e9\/"]'],
        ['map', 2, '{"a":1}'], ['none', 2, '[]'], ['object', 2, '{"a":null}'], ['own', 2, '{"own":true}'], ['float', 2, '0.1']]
        as list($event, $form, $text)) {
        returned($instance->call($event), $form, $text);
    }
    $bytes = $instance->call('bytes');
    same([$bytes->form, bin2hex($bytes->text)], [3, 'ff0061']);
};

$tests['results that cannot be written'] = function (Scene $scene) {
    $instance = $scene->loaded('
        class Bad implements JsonSerializable { #[ReturnTypeWillChange] function jsonSerialize() { throw new RangeException("no"); } }
        function handler($event, $context) {
            $loop = []; $loop["me"] = &$loop; $knot = new stdClass(); $knot->me = $knot;
            $values = ["array" => &$loop, "object" => $knot, "nan" => NAN, "stream" => [STDIN], "text" => ["\xff"], "throws" => new Bad(),
                "closure" => function () {}, "generator" => (function () { yield 1; })()];
            return $values[$event];
        }');
    foreach ([['array', 'JsonException'], ['object', 'JsonException'], ['nan', 'JsonException'], ['stream', 'JsonException'],
        ['text', 'JsonException'], ['throws', 'RangeException'], ['closure', 'TypeError'], ['generator', 'TypeError']] as list($event, $type)) {
        $answer = $instance->call($event);
        same([$answer->code, $answer->json()['errorType'], isset($answer->json()['stackTrace'])], [4007, $type, false], $answer->text);
        holds(strpos($answer->json()['errorMessage'], 'function result is invalid, error: ') === 0, $answer->text);
    }
};

$tests['size limit counts bytes'] = function (Scene $scene) {
    $source = 'function handler($event, $context) { return str_repeat("é", $event); }';
    $instance = $scene->loaded($source, ['max_result_bytes' => 100]);
    same($instance->call(50)->kind, RESULT);
    failed($instance->call(51), 4004, 'FunctionResultTooLarge', 'the return value of the function exceeds the maximum allowed limit');
};

$tests['large events and results'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) { echo "before\n"; return $event; }');
    $text = str_repeat('é', 3000000);
    $answer = $instance->answer($instance->begin(json_encode($text, JSON_UNESCAPED_UNICODE)));
    holds($answer->text === $text && $answer->log === "before\n", 'it comes back as it went');
    // Frames that come in one piece are taken apart again.
    $instance->begin('1');
    $instance->begin('[2]');
    returned($instance->answer(), 2, '1');
    returned($instance->answer(), 2, '[2]');
};

$tests['events'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) { return [$event]; }');
    foreach ([[" {\"b\": {\"c\": 1}} \n", ['b' => ['c' => 1]]], ['"{\"a\": [1]}"', ['a' => [1]]], ['" [1] "', [1]], ['"{no"', '{no'],
        ['"12"', '12'], ['null', null], ['""', '']] as list($raw, $value)) {
        $instance->begin($raw);
        same($instance->answer()->json(), [$value]);
    }
    $instance->begin('{oops');
    failed($instance->answer(), 4001, 'JsonException', ENTRY . 'the event is not JSON: Syntax error');
    returned($instance->call([]), 2, '[[]]');
};

$tests['what is thrown'] = function (Scene $scene) {
    $instance = $scene->loaded('
        class Own extends DomainException {}
        class Shop { function sell($n) { return array_map([self::class, "one"], [$n]); } static function one($n) { return intdiv(1, $n); } }
        function handler($event, $context) {
            switch ($event) {
                case "own": throw new Own("in " . __FILE__);
                case "type": return strlen([]);
                case "undefined": return nowhere();
                case "anonymous": throw new class("a") extends Exception {};
                case "bytes": throw new Exception("\xff");
                case "long": throw new Exception(str_repeat("é", 100000));
                case "deep": $deeper = function ($n) use (&$deeper) { if ($n === 0) { throw new Exception("deep"); } $deeper($n - 1); }; $deeper(5000);
                case "cause": try { (new Shop())->sell(0); } catch (DivisionByZeroError $error) { throw new Own("sold out", 1, $error); }
            }
        }');
    failed($instance->call('own'), 4002, 'Own', INVOCATION . 'in ./index.php');
    failed($instance->call('bytes'), 4002, 'Exception', INVOCATION . "\u{FFFD}");
    foreach (['type' => 'TypeError', 'undefined' => 'Error', 'anonymous' => 'Exception@anonymous'] as $event => $type) {
        // Before PHP 8 the class of such an object has another name, and strlen only warned.
        if (version_compare($scene->version, '8.0', '>=')) {
            same($instance->call($event)->json()['errorType'], $type);
        }
    }
    same($instance->call('undefined')->json()['errorMessage'], INVOCATION . 'Call to undefined function nowhere()');
    $cause = $instance->call('cause')->json();
    holds(preg_match('~^at handler \(\./index\.php:\d+\)$~', $cause['stackTrace'][0]) === 1, json_encode($cause));
    same($cause['stackTrace'][1], 'Caused by: DivisionByZeroError: Division by zero');
    holds(in_array('at Shop::one (./index.php:4)', $cause['stackTrace'], true), json_encode($cause));
    holds(in_array('at Shop->sell (./index.php:4)', $cause['stackTrace'], true), json_encode($cause));
    holds(strpos(json_encode($cause), 'bootstrap') === false, json_encode($cause));
    $long = $instance->call('long');
    holds(strlen($long->json()['errorMessage']) <= 65536 && strpos($long->text, "\u{FFFD}") === false, 'cut at a character');
    same(count($instance->call('deep')->json()['stackTrace']), 200);
    holds(strpos($instance->call('own')->text, "{\n    \"errorMessage\": \"") === 0, 'four blanks');
};

$tests['a full disk'] = function (Scene $scene) {
    $source = 'function handler($event, $context) {
        if ($event === "converted") {
            set_error_handler(function ($level, $message) { throw new ErrorException($message); });
        }
        $written = file_put_contents("/dev/full", "x");
        restore_error_handler();
        if ($event === "caught") { return "fine"; }
        throw new RuntimeException("cannot write");
    }';
    $instance = $scene->loaded($source);
    same($instance->call('thrown')->code, 4207);
    returned($instance->call('caught'), 1, 'fine');
    same($instance->call('converted')->code, 4207);
    $fine = $scene->loaded('function handler($event, $context) { throw new Exception("x"); }');
    same($fine->call('thrown')->code, 4002);
};

$tests['initializer'] = function (Scene $scene) {
    $source = '
        $seen = "";
        function handler($event, $context) { global $seen; return $seen; }
        function works($context) { global $seen; echo "no end"; $seen = $context->getRemainingTimeInMilliSeconds() > 5000; return "ignored"; }
        function throws($context) { throw new DomainException("d"); }
        function two($context, $more) {}
        function ends($context) { eval("function handler() {}"); }';
    $instance = $scene->loaded($source, ['initializer' => 'index.works', 'initializer_timeout_ms' => 60000]);
    $answer = $instance->initialize(9);
    same([$answer->kind, $answer->call, $answer->log], [INITIALIZED, 9, "no end\n"]);
    returned($instance->call([]), 2, 'true');
    foreach ([['throws', 'DomainException', 'd'], ['two', 'FunctionConfigError', 'expect to have 1 parameter, but received 2'],
        ['gone', 'FunctionConfigError', "handler 'gone' not found in module './index.php'"]] as list($name, $type, $message)) {
        $instance = $scene->loaded($source, ['initializer' => "index.$name"]);
        failed($instance->initialize(), 4009, $type, INITIALIZATION . $message);
    }
    $instance = $scene->loaded($source, ['initializer' => 'index.ends']);
    $ended = $instance->initialize();
    same([$ended->code, $ended->form, $instance->exitCode()], [4009, 1, 255], $ended->text);
    $instance = $scene->loaded($source, ['initializer' => 'nowhere.at_all']);
    failed($instance->initialize(), 4009, 'FunctionLoadError', INITIALIZATION . "not found module './nowhere.php'");
};

$tests['printed lines'] = function (Scene $scene) {
    $instance = $scene->loaded('
        echo "while loading\n";
        function handler($event, $context) {
            echo "part"; print(" of a line\r\n"); printf("%s\n", "é"); echo substr("é", 0, 1); echo substr("é", 1), "\n";
            file_put_contents("php://output", "output\n"); echo "not \xff UTF-8\n"; var_dump(1);
            ob_start(); echo "kept"; $kept = ob_get_clean();
            if ($event === "ends") { while (ob_get_level() > 0) { ob_end_clean(); } }
            if ($event === "leaves") { ob_start(); echo "left in a buffer\n"; }
            echo "half left";
            return $kept;
        }');
    same($instance->logs[0], "while loading\n");
    $lines = "part of a line\r\né\né\noutput\nnot \u{FFFD} UTF-8\nint(1)\n";
    foreach ([['plain', "{$lines}half left\n"], ['leaves', "{$lines}left in a buffer\nhalf left\n"], ['ends', $lines],
        ['plain', "{$lines}half left\n"]] as list($event, $log)) {
        $answer = $instance->call($event);
        returned($answer, 1, 'kept');
        same($answer->log, $log);
    }
    same($instance->printed(), 'half left', 'without buffers it goes to descriptor 1');
};

$tests['long lines are cut'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) {
        echo str_repeat("x", 200 * 1024), "\n";
        for ($i = 0; $i < 450 * 1024; $i++) { echo "y"; }
        echo "\n", str_repeat("é", 100 * 1024), "\n";
        $context->getLogger()->warn(str_repeat("z", 100 * 1024));
        echo str_repeat("many\n", 1000000);
    }');
    $answer = $instance->call([]);
    $lengths = ['x' => [], 'y' => [], "\u{e9}" => [], 'm' => 0];
    $logger = [];
    foreach (explode("\n", substr($answer->log, 0, -1)) as $line) {
        if ($line === 'many') {
            $lengths['m'] += 1;
        } elseif (strpos($line, ' WARN z') !== false) {
            $logger[] = substr_count($line, 'z');
            holds(strpos($line, $answer->request) === 25, substr($line, 0, 80));
        } else {
            $first = strpos($line, 'é') === 0 ? 'é' : $line[0];
            $lengths[$first][] = strlen(utf8_characters($line));
        }
    }
    same($lengths, ['x' => [92160, 92160, 20480], 'y' => [92160, 92160, 92160, 92160, 92160], 'é' => [92160, 10240], 'm' => 1000000]);
    same($logger, [92160, 10240]);
};

/** One byte for each character. */
function utf8_characters($text)
{
    return preg_replace('/[\x80-\xBF]/', '', $text);
}

$tests['logger lines'] = function (Scene $scene) {
    $instance = $scene->loaded('
        function initializer($context) { $context->getLogger()->setLevel("debug"); }
        function handler($event, $context) { $log = $context->getLogger(); $log->debug("über"); $log->setLevel("LOUD");
            $log->info(["a" => 1], "b", 2, null, new Exception("e") instanceof Throwable); $log->setLevel("ERROR"); $log->warn("no"); $log->error("é");
            return $log === $context->getLogger(); }', ['initializer' => 'index.initializer']);
    $instance->initialize(100);
    $answer = $instance->call([]);
    returned($answer, 2, 'true');
    $lines = explode("\n", $answer->log);
    holds(preg_match('/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /', $lines[0]) === 1, $lines[0]);
    $expected = ["$answer->request DEBUG über", "$answer->request INFO {\"a\":1} b 2 null true", "$answer->request ERROR é", ''];
    same(array_map(function ($line) { return (string) substr($line, 25); }, $lines), $expected);
};

$tests['warnings go to the log and not into results'] = function (Scene $scene) {
    // As php.ini-development has it.
    $flags = ['-d', 'display_errors=1', '-d', 'html_errors=1', '-d', 'log_errors=0', '-d', 'error_log=/dev/null', '-d', 'memory_limit=1M'];
    $instance = $scene->loaded('function handler($event, $context) {
        ob_start(); echo $none; $page = ob_get_clean(); @$none["x"]; error_log("told"); fwrite(STDERR, "written\n");
        trigger_error("mine", E_USER_WARNING);
        return [$page, strlen(str_repeat("x", 8 << 20))];
    }', [], $flags);
    same($instance->call([])->json(), ['', 8 << 20]);
    $printed = $instance->printed();
    holds(preg_match('~^PHP (Warning|Notice):  Undefined variable:? \$?none in .*/index\.php on line 3\ntold\nwritten\nPHP Warning:  mine in ~', $printed) === 1, $printed);
};

$tests['an alias belongs to its call'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) {
        return [$event, $context->getAlias(), $context->getRequestID()]; }');
    foreach (['prod', '', str_repeat('a', 63)] as $alias) {
        $answer = $alias === '' ? $instance->call('event') : $instance->callAs($alias, 'event');
        same($answer->json(), ['event', $alias, $answer->request]);
    }
};

$tests['the context'] = function (Scene $scene) {
    $methods = ['getRequestID', 'getRunningTimeInSeconds', 'getFunctionName', 'getVersion', 'getPackage', 'getProjectID', 'getAlias',
        'getMemorySize', 'getCPUNumber', 'getAccessKey', 'getSecretKey', 'getSecurityAccessKey', 'getSecuritySecretKey', 'getSecurityToken',
        'getToken', 'getWorkflowID', 'getWorkflowRunID', 'getWorkflowStateID', 'getInvokeID', 'getTraceID', 'getInstanceID',
        'getInvokeProperty', 'getState'];
    $instance = $scene->loaded('function handler($event, $context) {
        $values = array_map(function ($name) use ($context) { return $context->$name(); }, $event);
        return [$values, $context->getUserData("shop"), $context->getUserData("none"), $context->getUserData("none", "else"),
            $context->getRemainingTimeInMilliSeconds(), getenv("RUNTIME_CODE_ROOT"), $_ENV["RUNTIME_CODE_ROOT"], getenv("shop")];
    }', ['user_data' => ['shop' => 'corner']]);
    $answer = $instance->call($methods);
    $time = $answer->json()[4];
    holds(is_int($time) && $time > 0 && $time <= 3000, $answer->text);
    $ids = [$answer->request, 3, 'hello', 'latest', 'default', '0a1b', '', 128, 300, '', '', '', '', '', '', '', '', '', $answer->request, '', '', '', null];
    same($answer->json(), [$ids, 'corner', null, 'else', $time, $scene->folder, $scene->folder, false]);
};

$tests['destructors belong to their call'] = function (Scene $scene) {
    $instance = $scene->loaded('
        class Door { private $loud; function __construct($loud) { $this->loud = $loud; }
            function __destruct() { echo "closed\n"; if ($this->loud) { throw new DomainException("slammed"); } } }
        function handler($event, $context) {
            if ($event === "result") { return new Door(false); }
            if ($event === "loud result") { return new Door(true); }
            if ($event !== "none") { $context->setState(new Door($event === "loud")); }
            return "open"; }');
    foreach (['quiet', 'result'] as $event) {
        $answer = $instance->call($event);
        same([$answer->kind, $answer->log], [RESULT, "closed\n"]);
    }
    foreach (['loud', 'loud result'] as $event) {
        failed($instance->call($event), 4002, 'DomainException', INVOCATION . 'slammed');
    }
    returned($instance->call('none'), 1, 'open');
    same($instance->printed(), '');
};

$tests['exit during a call'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) {
        register_shutdown_function(function () { echo "last words"; }); echo "before "; exit("bye"); }');
    same($instance->call([]), null, 'the platform tells how it ended');
    same([$instance->logs[1], $instance->exitCode()], ["before bye\nlast words\n", 0]);
};

$tests['errors that end the script'] = function (Scene $scene) {
    $source = 'function handler($event, $context) {
        if ($event === "memory") { ini_set("memory_limit", "8M"); return str_repeat("x", 64 << 20); }
        if ($event === "declare") { eval("function handler() {}"); }
        if ($event === "time") { set_time_limit(1); for (;;); }
    }';
    foreach (['memory' => 'Allowed memory size of 8388608 bytes exhausted', 'declare' => 'Cannot redeclare handler()',
        'time' => 'Maximum execution time of 1 second exceeded'] as $event => $message) {
        $instance = $scene->loaded($source);
        $answer = $instance->call($event);
        same([$answer->kind, $answer->code, $answer->form, $answer->json()['errorType']], [FAILED, 4002, 1, 'FatalError'], $answer->text);
        holds(stripos($answer->json()['errorMessage'], $message) !== false, $answer->text);
        holds(preg_match('~^at \./index\.php(\(4\) : eval\(\)\'d code)?:\d$~', $answer->json()['stackTrace'][0]) === 1, $answer->text);
        same($instance->exitCode(), 255);
    }
};

$tests['children neither answer nor hold the socket'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) {
        exec("ls -l /proc/self/fd", $open);
        if (function_exists("pcntl_fork")) {
            $child = pcntl_fork();
            if ($child === 0) { echo "from the child\n"; if ($event === "throw") { throw new Exception("in the child"); } return "child"; }
            pcntl_waitpid($child, $status);
            echo "ended with ", pcntl_wexitstatus($status), "\n";
        }
        return count(preg_grep("/socket/", $open)) . (class_exists("FFI") ? " with" : " without");
    }');
    foreach (['return' => 0, 'throw' => 255] as $event => $code) {
        $answer = $instance->call($event);
        same(in_array($answer->text, ['0 with', '2 without'], true), true, $answer->text);
        if (strpos($answer->log, 'ended with') !== false) {
            same($answer->log, "ended with $code\n");
            holds(strpos($instance->printed(), "from the child\n") === 0, $instance->printed());
        }
    }
};

$tests['leaving in order'] = function (Scene $scene) {
    $source = 'function handler($event, $context) {}
        function stop($context) { echo "closing ", $context->getFunctionName(); }
        function bad($context) { throw new Exception("not closed"); }';
    $instance = $scene->loaded($source, ['pre_stop' => 'index.stop']);
    same([$instance->stop()->kind, $instance->logs[0], $instance->exitCode()], [STOPPED, "closing hello\n", 0]);
    $instance = $scene->loaded($source, ['pre_stop' => 'index.bad']);
    same([$instance->stop()->kind, $instance->exitCode()], [STOPPED, 0]);
    holds(strpos($instance->logs[0], 'not closed') !== false, $instance->logs[0]);
    $instance = $scene->loaded($source, ['pre_stop' => 'index.none']);
    same($instance->stop()->kind, STOPPED);
    holds(strpos($instance->logs[0], "handler 'none' not found") !== false, $instance->logs[0]);
    $blank = $scene->blank();
    $blank->answer();
    same([$blank->stop()->kind, $blank->exitCode()], [STOPPED, 0]);
};

$tests['the other end goes away, or makes no sense'] = function (Scene $scene) {
    $instance = $scene->loaded('function handler($event, $context) { return 1; }');
    $instance->hangUp();
    same($instance->exitCode(), 0);
    $instance = $scene->loaded('function handler($event, $context) { return 1; }');
    $instance->send(9);
    same([$instance->answer(), $instance->exitCode()], [null, 1]);
};

/** Runs what was asked for; gives the number of failures. */
function run_tests(array $tests, array $phps, $part)
{
    $failures = 0;
    foreach ($phps as $php) {
        foreach ($tests as $name => $test) {
            if ($part !== '' && strpos($name, $part) === false) {
                continue;
            }
            $scene = new Scene($php);
            $begun = microtime(true);
            try {
                $test($scene);
                printf("ok   %s (PHP %s, %d ms)\n", $name, $scene->version, (microtime(true) - $begun) * 1000);
            } catch (\Throwable $error) {
                $failures += 1;
                printf("FAIL %s (PHP %s): %s\n%s\n", $name, $scene->version, $error->getMessage(), $error->getTraceAsString());
            } finally {
                $scene->clear();
            }
        }
    }
    return $failures;
}

$phps = array_filter(explode(':', (string) getenv('FUNGRAPH_TEST_PHPS'))) ?: [PHP_BINARY];
exit(run_tests($tests, $phps, $argv[1] ?? '') === 0 ? 0 : 1);
