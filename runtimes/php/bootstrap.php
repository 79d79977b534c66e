<?php
/**
 * Loads one PHP function and answers its calls: the inside end of crates/instance/PROTOCOL.md.
 *
 * User files are included at the bottom, outside any function, because their top level expects to stand in the global scope: what
 * they set there is what `global` finds later. So nothing of ours has a global name, neither variable nor function nor class.
 *
 * PHP runs one thing at a time: calls are answered one after the other, and whatever is printed belongs to the one that runs.
 * Runs on PHP 7.2 and everything newer, with nothing but what is compiled into `php-cli`. Start it as `php bootstrap.php` with the
 * socket on descriptor 3.
 */

namespace fungraph;

const PROTOCOL = 1;
const LOAD = 1;
const INITIALIZE = 2;
const INVOKE = 3;
const STOP = 4;
const INVOKE_AS = 5;
const HELLO = 65;
const LOADED = 66;
const INITIALIZED = 67;
const RESULT = 68;
const FAILED = 69;
const LOG = 70;
const STOPPED = 71;
const NOTHING = 0;
const TEXT = 1;
const JSON = 2;
const BYTES = 3;
/** Form of a FAILED after which the process ends. */
const LEAVING = 1;

const ENTRY = 'function entry exception, error: ';
const INVOCATION = 'function invocation exception, error: ';
const INITIALIZATION = 'function initialization exception, error: ';
const INVALID = 'function result is invalid, error: ';
const TOO_LARGE = 'the return value of the function exceeds the maximum allowed limit';

const HEADER = 12;
const REQUEST_ID = 36;
const READ_AT_ONCE = 16384;
const READ_LARGE = 262144;
const LINE = 92160;
const LOG_FRAME = 1048576;
const MESSAGE = 65536;
const STACK_LINES = 200;
/** Errors that end a script; no handler of PHP sees them. */
const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR;
/** What PHP's own functions say when a disk or a quota is full; there is no number to look at. */
const DISK_FULL = '/errno=(?:28|122)\b|No space left on device|Disk quota exceeded|out of free disk space/';

// --- the socket ------------------------------------------------------------------------------------------------------

/** Frames on the socket. */
final class Wire
{
    private $socket;
    private $rest = '';

    public function __construct()
    {
        $this->socket = fopen('php://fd/3', 'r+');
        if ($this->socket === false) {
            fwrite(STDERR, "fungraph: descriptor 3 is no socket; only the platform starts this file\n");
            exit(1);
        }
        stream_set_read_buffer($this->socket, 0);
        // Sockets have a limit of a minute; an instance may be idle for longer.
        stream_set_timeout($this->socket, PHP_INT_MAX >> 32);
    }

    /** The next frame as [call, kind, payload]. Ends the process where the platform has closed its end. */
    public function frame()
    {
        $data = $this->rest;
        while (strlen($data) < HEADER) {
            $data .= $this->more(READ_AT_ONCE);
        }
        $head = unpack('Vlength/Vcall/vcode/Ckind', $data);
        $end = HEADER + $head['length'];
        for ($missing = $end - strlen($data); $missing > 0; $missing = $end - strlen($data)) {
            // Never beyond this frame, so nothing of the next one has to be kept.
            $data .= $this->more($missing < READ_LARGE ? $missing : READ_LARGE);
        }
        $this->rest = strlen($data) === $end ? '' : substr($data, $end);
        return [$head['call'], $head['kind'], substr($data, HEADER, $head['length'])];
    }

    public function send($kind, $call, $payload, $code = 0, $form = 0)
    {
        $frame = pack('VVvCC', strlen($payload), $call, $code, $kind, $form) . $payload;
        if (@fwrite($this->socket, $frame) !== strlen($frame)) {
            leave(1);
        }
    }

    private function more($most)
    {
        for (;;) {
            $bytes = fread($this->socket, $most);
            if ($bytes !== '' && $bytes !== false) {
                return $bytes;
            }
            if (feof($this->socket)) {
                leave(0);
            }
        }
    }
}

/** Ends the process; nobody listens any more. */
function leave($code)
{
    Instance::$isLeaving = true;
    exit($code);
}

/**
 * Keeps the socket from the programs that user code starts: they would hold it open, and could write to it. PHP itself has no way to
 * say so; where its door to C is missing, they inherit it.
 */
function close_on_exec()
{
    if (!class_exists('FFI', false)) {
        return;
    }
    try {
        $libc = \FFI::cdef('int fcntl(int descriptor, int command, ...);');
        foreach (scandir('/proc/self/fd') as $descriptor) {
            if ($descriptor > 2) {
                // F_SETFD, FD_CLOEXEC
                $libc->fcntl((int) $descriptor, 2, 1);
            }
        }
    } catch (\Throwable $_) {
        // Switched off by `ffi.enable`, or a libc of another kind.
    }
}

// --- text ------------------------------------------------------------------------------------------------------------

function is_utf8($bytes)
{
    return preg_match('//u', $bytes) === 1;
}

/** Bytes as UTF-8: what is none becomes U+FFFD. */
function utf8($bytes)
{
    if (is_utf8($bytes)) {
        return $bytes;
    }
    return json_decode(json_encode($bytes, JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_UNICODE)) ?? '';
}

/** Pieces of at most LINE characters; at least one. */
function pieces($text)
{
    if (strlen($text) <= LINE) {
        return [$text];
    }
    // In two halves, since a repetition has 65535 at most.
    return preg_match_all('/(?:.{1,46080}){1,2}/us', $text, $found) ? $found[0] : str_split($text, LINE);
}

/** Any value in words. */
function words($value)
{
    if (is_string($value)) {
        return $value;
    }
    if (is_object($value) && method_exists($value, '__toString')) {
        return (string) $value;
    }
    $text = json_encode($value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR);
    return $text === false ? gettype($value) : $text;
}

// --- the log ---------------------------------------------------------------------------------------------------------

/** What PHP prints, on its way to the platform: each line when it is complete. */
final class Output
{
    private $wire;
    private $openLine = '';

    public function __construct(Wire $wire)
    {
        $this->wire = $wire;
    }

    /** Takes over what `echo` writes, again where user code has ended all buffers, as many programs do. */
    public function take()
    {
        while (ob_get_level() > 1) {
            ob_end_flush();
        }
        if (ob_list_handlers() !== ['fungraph\Output::printed']) {
            while (ob_get_level() > 0) {
                ob_end_flush();
            }
            ob_start([$this, 'printed'], 1);
        }
    }

    /** PHP's side of it: called with every piece, and gives on nothing. */
    public function printed($text)
    {
        $end = strrpos($text, "\n");
        if ($end === false) {
            $this->openLine .= $text;
            if (strlen($this->openLine) > 4 * LINE) {
                $this->cutOpenLine();
            }
            return '';
        }
        $lines = $this->openLine . substr($text, 0, $end + 1);
        $this->openLine = substr($text, $end + 1);
        $this->lines(Instance::$call, $lines);
        return '';
    }

    /** Sends the line that was not ended. */
    public function endLine()
    {
        if ($this->openLine !== '') {
            $line = $this->openLine . "\n";
            $this->openLine = '';
            $this->lines(Instance::$call, $line);
        }
    }

    /** Sends whole lines: cuts those that are too long, and gathers what fits a frame well. */
    public function lines($call, $text)
    {
        if (Instance::isForked()) {
            fwrite(STDOUT, $text);
            return;
        }
        $text = utf8($text);
        $length = strlen($text);
        if ($length <= LINE) {
            $this->wire->send(LOG, $call, $text);
            return;
        }
        $from = 0;
        for ($at = 0; $at < $length; $at = $end + 1) {
            $end = strpos($text, "\n", $at);
            if ($end - $at > LINE) {
                $this->part($call, $text, $from, $at);
                foreach (pieces(substr($text, $at, $end - $at)) as $piece) {
                    $this->wire->send(LOG, $call, $piece . "\n");
                }
                $from = $end + 1;
            } elseif ($end - $from >= LOG_FRAME) {
                $this->part($call, $text, $from, $end + 1);
                $from = $end + 1;
            }
        }
        $this->part($call, $text, $from, $length);
    }

    /** One line of a logger, cut where it is too long, each piece with the prefix. */
    public function loggerLine($call, $prefix, $text)
    {
        foreach (pieces(utf8($text)) as $piece) {
            // The prefix comes on top of the longest line, so this must not be cut again.
            if (Instance::isForked()) {
                fwrite(STDOUT, $prefix . $piece . "\n");
            } else {
                $this->wire->send(LOG, $call, $prefix . $piece . "\n");
            }
        }
    }

    private function part($call, $text, $from, $end)
    {
        if ($end > $from) {
            $this->wire->send(LOG, $call, substr($text, $from, $end - $from));
        }
    }

    /** A loop that prints and never ends a line must not fill the memory. */
    private function cutOpenLine()
    {
        $pieces = pieces(utf8($this->openLine));
        $this->openLine = array_pop($pieces);
        foreach ($pieces as $piece) {
            $this->lines(Instance::$call, $piece . "\n");
        }
    }
}

/** What `$context->getLogger()` gives. The level belongs to the instance, so an initializer can set it for good. */
final class Logger
{
    const LEVELS = ['DEBUG' => 0, 'INFO' => 1, 'WARN' => 2, 'ERROR' => 3];
    private static $threshold = 1;
    private $call;
    private $request;

    public function __construct($call, $request)
    {
        $this->call = $call;
        $this->request = $request;
    }

    public function debug(...$values)
    {
        $this->line('DEBUG', $values);
    }

    public function info(...$values)
    {
        $this->line('INFO', $values);
    }

    public function log(...$values)
    {
        $this->line('INFO', $values);
    }

    public function warn(...$values)
    {
        $this->line('WARN', $values);
    }

    public function warning(...$values)
    {
        $this->line('WARN', $values);
    }

    public function error(...$values)
    {
        $this->line('ERROR', $values);
    }

    /** `DEBUG`, `INFO`, `WARN` or `ERROR`; another word changes nothing. */
    public function setLevel($level)
    {
        self::$threshold = self::LEVELS[strtoupper(words($level))] ?? self::$threshold;
    }

    private function line($level, array $values)
    {
        if (self::LEVELS[$level] < self::$threshold) {
            return;
        }
        $now = microtime(true);
        $stamp = sprintf('%s.%03dZ', gmdate('Y-m-d\TH:i:s', (int) $now), ($now - (int) $now) * 1000);
        $text = implode(' ', array_map('fungraph\words', $values));
        // What outlives its call belongs to none.
        $call = $this->call === Instance::$call ? $this->call : 0;
        Instance::$output->loggerLine($call, "$stamp $this->request $level ", $text);
    }
}

// --- the context -----------------------------------------------------------------------------------------------------

/** Milliseconds of a clock that nobody sets. */
function now()
{
    // hrtime came with 7.3.
    return function_exists('hrtime') ? hrtime(true) / 1e6 : microtime(true) * 1e3;
}

/** The handler's second argument. */
final class Context
{
    private $order;
    private $request;
    private $deadline;
    private $logger;
    private $state;

    public function __construct(array $order, $call, $request, $arrived, $limit)
    {
        $this->order = $order;
        $this->request = $request;
        $this->deadline = $arrived + $limit;
        $this->logger = new Logger($call, $request);
    }

    public function getRequestID()
    {
        return $this->request;
    }

    /** Milliseconds, never negative. */
    public function getRemainingTimeInMilliSeconds()
    {
        return max(0, (int) ($this->deadline - now()));
    }

    public function getRunningTimeInSeconds()
    {
        return intdiv($this->order['timeout_ms'], 1000);
    }

    public function getUserData($key, $otherwise = null)
    {
        return $this->order['user_data'][$key] ?? $otherwise;
    }

    public function getLogger()
    {
        return $this->logger;
    }

    public function getFunctionName()
    {
        return $this->order['function'];
    }

    public function getVersion()
    {
        return $this->order['version'];
    }

    public function getPackage()
    {
        return $this->order['package'];
    }

    public function getProjectID()
    {
        return $this->order['project_id'];
    }

    public function getAlias()
    {
        return $this->order['alias'];
    }

    /** MB. */
    public function getMemorySize()
    {
        return $this->order['memory_mb'];
    }

    /** Millicores. */
    public function getCPUNumber()
    {
        return $this->order['cpu_millicores'];
    }

    public function getInvokeID()
    {
        return $this->request;
    }

    public function getState()
    {
        return $this->state;
    }

    public function setState($state)
    {
        $this->state = $state;
    }

    // Keys and tokens come from agencies, workflow ids from function flows; the service gives empty texts without them.

    public function getAccessKey()
    {
        return '';
    }

    public function getSecretKey()
    {
        return '';
    }

    public function getSecurityAccessKey()
    {
        return '';
    }

    public function getSecuritySecretKey()
    {
        return '';
    }

    public function getSecurityToken()
    {
        return '';
    }

    public function getToken()
    {
        return '';
    }

    public function getWorkflowID()
    {
        return '';
    }

    public function getWorkflowRunID()
    {
        return '';
    }

    public function getWorkflowStateID()
    {
        return '';
    }

    public function getTraceID()
    {
        return '';
    }

    public function getInstanceID()
    {
        return '';
    }

    public function getInvokeProperty()
    {
        return '';
    }
}

// --- failures --------------------------------------------------------------------------------------------------------

/** Something the platform is told as FAILED, already in its words. */
final class Failure
{
    public $code;
    private $fields;

    public function __construct($code, $type, $message, $stack = null)
    {
        $this->code = $code;
        $this->fields = ['errorMessage' => clipped($message), 'errorType' => $type];
        if ($stack !== null) {
            $this->fields['stackTrace'] = $stack;
        }
    }

    /** The Failure that tells of something the user threw. */
    public static function thrown($code, $prefix, \Throwable $error, $type = null)
    {
        return new self($code, $type ?? type_of($error), $prefix . relative($error->getMessage()), stack_of($error));
    }

    public function payload()
    {
        $style = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
        return json_encode($this->fields, $style | JSON_PARTIAL_OUTPUT_ON_ERROR);
    }

    public function message()
    {
        return $this->fields['errorMessage'];
    }
}

/** So much of a message that its object and its log line stay small, from a character's border. */
function clipped($text)
{
    return strlen($text) <= MESSAGE ? $text : preg_replace('/[\xC0-\xFF]?[\x80-\xBF]*$/D', '', substr($text, 0, MESSAGE));
}

/** The name of the class. One without a name has the place it stands at behind a zero byte. */
function type_of(\Throwable $error)
{
    return explode("\0", get_class($error))[0];
}

function relative($text)
{
    return str_replace(Instance::$roots, './', $text);
}

/** Lines of the form `at name (./index.php:3)`, without our own frames; what caused the error follows below. */
function stack_of(\Throwable $error)
{
    $lines = [];
    for ($number = 0; $error !== null && $number < 8; $number++, $error = $error->getPrevious()) {
        if ($number > 0) {
            $lines[] = 'Caused by: ' . type_of($error) . ': ' . clipped(relative($error->getMessage()));
        }
        $file = $error->getFile();
        $line = $error->getLine();
        foreach (array_merge($error->getTrace(), [[]]) as $frame) {
            if ($file !== __FILE__) {
                $lines[] = 'at ' . place(name_of($frame), $file, $line);
            }
            $file = $frame['file'] ?? __FILE__;
            $line = $frame['line'] ?? 0;
        }
    }
    return array_map('fungraph\utf8', array_slice($lines, 0, STACK_LINES));
}

function place($name, $file, $line)
{
    $where = relative($file) . ':' . $line;
    return $name === '' ? $where : "$name ($where)";
}

/** What runs in a frame: a file that is being included has no name. */
function name_of(array $frame)
{
    $name = $frame['function'] ?? '';
    if (in_array($name, ['require', 'require_once', 'include', 'include_once'], true)) {
        return '';
    }
    return explode("\0", $frame['class'] ?? '')[0] . ($frame['type'] ?? '') . $name;
}

/** Whether an exception comes of a full disk. PHP's functions only warn of that; it is the user's code that throws then. */
function is_disk_full(\Throwable $error)
{
    $last = error_get_last();
    return preg_match(DISK_FULL, $error->getMessage()) === 1
        || ($last !== null && preg_match(DISK_FULL, $last['message']) === 1);
}

// --- loading ---------------------------------------------------------------------------------------------------------

/** One of the three functions that a configuration names. */
final class Entry
{
    public $file;
    /** What to call; null as long as it is not loaded. */
    public $function;
    /** Why it cannot be called. */
    public $failure;
    private $name;
    private $path;
    private $code;
    private $prefix;
    private $parameters;

    public function __construct($root, $handler, $code, $prefix, $parameters)
    {
        $dot = (int) strrpos($handler, '.');
        $this->path = './' . substr($handler, 0, $dot) . '.php';
        $this->name = (string) substr($handler, $dot + 1);
        $this->code = $code;
        $this->prefix = $prefix;
        $this->parameters = $parameters;
        $file = $root . '/' . substr($this->path, 2);
        $this->file = $file;
        if (!is_file($file)) {
            $this->failure = new Failure($code, 'FunctionLoadError', "{$prefix}not found module '$this->path'");
        }
    }

    /** Its file was included. */
    public function loaded()
    {
        if ($this->failure !== null) {
            return;
        }
        $message = $this->objection();
        if ($message === null) {
            $this->function = $this->name;
        } else {
            $this->failure = new Failure($this->code, 'FunctionConfigError', $this->prefix . $message);
        }
    }

    /** Its file could not be included. */
    public function threw(\Throwable $error)
    {
        $this->failure = Failure::thrown($this->code, $this->prefix, $error, 'FunctionLoadError');
    }

    private function objection()
    {
        // A function of PHP's own may have the name, `end` for instance: nobody means that.
        if (!function_exists($this->name) || !(new \ReflectionFunction($this->name))->isUserDefined()) {
            return "handler '$this->name' not found in module '$this->path'";
        }
        $wanted = (new \ReflectionFunction($this->name))->getNumberOfRequiredParameters();
        // PHP lets a function take fewer than it is given.
        return $wanted <= $this->parameters ? null
            : "expect to have $this->parameters parameter" . ($this->parameters === 1 ? '' : 's') . ", but received $wanted";
    }
}

// --- the instance ----------------------------------------------------------------------------------------------------

/** All that there is once: this process runs one function. */
final class Instance
{
    /** The call that runs, or 0. */
    public static $call = 0;
    /** @var Output */
    public static $output;
    /** Ways to write the code folder, each with its slash. */
    public static $roots = [];
    /** Whether the process ends because we want it to. */
    public static $isLeaving = false;
    /** File to include next, in the global scope. */
    public static $file;

    private static $wire;
    private static $process;
    private static $order;
    /** What runs now: the code of a failure and its prefix. Null between calls. */
    private static $doing;
    /** @var Entry[] handler, initializer and pre-stop, those there are */
    private static $entries = [];
    private static $toInclude = [];

    public static function start()
    {
        self::$process = getmypid();
        self::$wire = new Wire();
        self::$output = new Output(self::$wire);
        $version = sprintf('%d.%d.%d', PHP_MAJOR_VERSION, PHP_MINOR_VERSION, PHP_RELEASE_VERSION);
        self::$wire->send(HELLO, 0, sprintf('{"protocol":%d,"language":"php","version":"%s"}', PROTOCOL, $version));
        close_on_exec();
        self::settings();
        register_shutdown_function([self::class, 'ended']);
        self::$output->take();
        list($call, $kind, $payload) = self::$wire->frame();
        if ($kind === LOAD) {
            self::read($payload);
        } else {
            self::obey($call, $kind, $payload);
        }
    }

    /** What the host's php.ini must not decide: it was written for a web server, or for a person at a terminal. */
    private static function settings()
    {
        // Memory and time are limited from outside, where nothing can be left half done.
        ini_set('memory_limit', '-1');
        ini_set('max_execution_time', '0');
        // Warnings go to descriptor 2 and never into what a function is putting together in a buffer of its own.
        ini_set('display_errors', '0');
        ini_set('log_errors', '1');
        ini_set('error_log', '');
        ini_set('html_errors', '0');
        error_reporting(E_ALL);
    }

    private static function read($payload)
    {
        self::$order = json_decode($payload, true);
        foreach (self::$order['env'] as $name => $value) {
            putenv("$name=$value");
            $_ENV[$name] = $_SERVER[$name] = $value;
        }
        $root = rtrim(self::$order['code_root'], '/');
        // Where a link leads to the folder, files have the other name.
        self::$roots = array_unique([$root . '/', realpath($root) . '/']);
        foreach ([['handler', 4001, ENTRY, 2], ['initializer', 4009, INITIALIZATION, 1], ['pre_stop', 4001, ENTRY, 1]] as $one) {
            list($role, $code, $prefix, $parameters) = $one;
            if (self::$order[$role] !== null) {
                self::$entries[$role] = new Entry($root, self::$order[$role], $code, $prefix, $parameters);
            }
        }
        self::$toInclude = self::$entries;
        $main = self::$entries['handler']->file;
        set_include_path(implode(PATH_SEPARATOR, array_unique([$root, dirname($main), get_include_path()])));
        $_SERVER['argv'] = $GLOBALS['argv'] = [$main];
        $_SERVER['argc'] = $GLOBALS['argc'] = 1;
        foreach (['SCRIPT_FILENAME', 'SCRIPT_NAME', 'PHP_SELF', 'PATH_TRANSLATED'] as $name) {
            $_SERVER[$name] = $main;
        }
        self::$doing = [4001, ENTRY];
    }

    /** Whether there is one more file to include. */
    public static function next()
    {
        while (($entry = array_shift(self::$toInclude)) !== null) {
            if ($entry->failure === null) {
                self::$file = $entry->file;
                return true;
            }
        }
        return false;
    }

    /** A file could not be included. */
    public static function failed(\Throwable $error)
    {
        self::leaveIfForked($error);
        foreach (self::$entries as $entry) {
            if ($entry->file === self::$file) {
                $entry->threw($error);
                // Included a second time, it would fail in another way: what it declares is there already.
                self::$toInclude = array_filter(self::$toInclude, function ($other) {
                    return $other->failure === null;
                });
            }
        }
    }

    public static function serve()
    {
        self::leaveIfForked();
        foreach (self::$entries as $entry) {
            $entry->loaded();
        }
        self::$output->take();
        self::$output->endLine();
        self::$doing = null;
        if (self::$entries['handler']->failure !== null) {
            self::fail(self::$entries['handler']->failure);
        } else {
            self::$wire->send(LOADED, 0, '');
        }
        for (;;) {
            list($call, $kind, $payload) = self::$wire->frame();
            try {
                if ($kind === INVOKE) {
                    self::invoke($call, $payload);
                } elseif ($kind === INVOKE_AS) {
                    $start = REQUEST_ID + 1;
                    $alias = substr($payload, $start, ord($payload[REQUEST_ID]));
                    $event = substr($payload, $start + strlen($alias));
                    self::invoke($call, substr($payload, 0, REQUEST_ID) . $event, $alias);
                    unset($alias, $event);
                } else {
                    self::obey($call, $kind, $payload);
                }
            } catch (\Throwable $error) {
                self::stray($error);
            }
            unset($error);
        }
    }

    /** A destructor has thrown, or a signal handler: user code that runs where nobody called it. */
    private static function stray(\Throwable $error)
    {
        self::leaveIfForked($error);
        $failure = Failure::thrown(4002, INVOCATION, $error);
        if (self::$doing !== null) {
            self::fail($failure);
        } else {
            // The call has its answer.
            self::$output->lines(0, $failure->payload() . "\n");
        }
    }

    private static function invoke($call, $payload, $alias = null)
    {
        $arrived = now();
        self::$call = $call;
        self::$doing = [4002, INVOCATION];
        error_clear_last();
        $event = event_of(substr($payload, REQUEST_ID));
        if ($event instanceof Failure) {
            self::fail($event);
            return;
        }
        // An array is copied when it is written to, and hardly a call comes by an alias.
        $order = $alias === null ? self::$order : ['alias' => $alias] + self::$order;
        $context = new Context($order, $call, substr($payload, 0, REQUEST_ID), $arrived, $order['timeout_ms']);
        $handler = self::$entries['handler']->function;
        try {
            $value = $handler($event, $context);
            // What only the event and the context held ends with the call, and may say so.
            unset($event, $context);
        } catch (\Throwable $error) {
            self::leaveIfForked($error);
            self::fail(Failure::thrown(is_disk_full($error) ? 4207 : 4002, INVOCATION, $error));
            return;
        }
        self::leaveIfForked();
        list($form, $text) = written($value, self::$order['max_result_bytes']);
        if ($text instanceof Failure) {
            self::fail($text);
            return;
        }
        unset($value);
        self::$output->take();
        self::$output->endLine();
        self::$call = 0;
        self::$doing = null;
        self::$wire->send(RESULT, $call, $text, 0, $form);
    }

    /** The orders besides INVOKE. */
    private static function obey($call, $kind, $payload)
    {
        if ($kind === INITIALIZE) {
            self::initialize($call, $payload);
        } elseif ($kind === STOP) {
            self::stop();
        } else {
            fwrite(STDERR, "fungraph: the bootstrap was sent a frame it does not know; it leaves\n");
            leave(1);
        }
    }

    private static function initialize($call, $request)
    {
        self::$call = $call;
        self::$doing = [4009, INITIALIZATION];
        $context = new Context(self::$order, $call, $request, now(), self::$order['initializer_timeout_ms']);
        $failure = self::run('initializer', 4009, INITIALIZATION, $context);
        if ($failure !== null) {
            self::fail($failure);
            return;
        }
        self::$output->take();
        self::$output->endLine();
        self::$call = 0;
        self::$doing = null;
        self::$wire->send(INITIALIZED, $call, '');
    }

    private static function stop()
    {
        // A blank instance is stopped too.
        $failure = null;
        if (self::$order !== null) {
            $context = new Context(self::$order, 0, '', now(), self::$order['timeout_ms']);
            $failure = self::run('pre_stop', 4002, INVOCATION, $context);
        }
        self::$output->take();
        self::$output->endLine();
        if ($failure !== null) {
            self::$output->lines(0, $failure->payload() . "\n");
        }
        self::$wire->send(STOPPED, 0, '');
        leave(0);
    }

    /** Runs an initializer or a pre-stop handler, where there is one; gives its Failure, or null. */
    private static function run($role, $code, $prefix, Context $context)
    {
        $entry = self::$entries[$role] ?? null;
        if ($entry === null || $entry->failure !== null) {
            return $entry === null ? null : $entry->failure;
        }
        try {
            ($entry->function)($context);
        } catch (\Throwable $error) {
            self::leaveIfForked($error);
            return Failure::thrown($code, $prefix, $error);
        }
        self::leaveIfForked();
        return null;
    }

    /** Sends FAILED; the error object stands in the log of the call too, as it does in the service. */
    private static function fail(Failure $failure, $form = 0)
    {
        $call = self::$call;
        $text = $failure->payload();
        self::$output->take();
        self::$output->endLine();
        self::$output->lines($call, $text . "\n");
        self::$call = 0;
        self::$doing = null;
        self::$wire->send(FAILED, $call, $text, $failure->code, $form);
    }

    /** The script has ended, by `exit` or by an error that nothing can catch. Called by PHP, before what user code registered. */
    public static function ended()
    {
        if (self::$isLeaving || self::isForked()) {
            return;
        }
        // A limit of the user's own may be what it ran into.
        ini_set('memory_limit', '-1');
        $error = error_get_last();
        $isFatal = $error !== null && ($error['type'] & FATAL) !== 0;
        if (self::$doing !== null && $isFatal) {
            list($code, $prefix) = self::$doing;
            $message = $prefix . relative(explode("\nStack trace:", $error['message'])[0]);
            $type = $code === 4001 ? 'FunctionLoadError' : 'FatalError';
            $stack = ['at ' . place('', $error['file'], $error['line'])];
            self::fail(new Failure($code, $type, $message, $stack), LEAVING);
        } elseif (self::$doing !== null && self::$doing[0] === 4001) {
            $message = ENTRY . 'exit was called while the file was loaded';
            self::fail(new Failure(4001, 'FunctionLoadError', $message), LEAVING);
        } else {
            // Of an exit during a call the platform tells.
            self::$output->endLine();
        }
        register_shutdown_function([self::$output, 'endLine']);
    }

    /** True in a child the user forked: it shares the socket but must never speak on it. */
    public static function isForked()
    {
        return getmypid() !== self::$process;
    }

    /** Ends a forked child that has come back out of the user's code; only its parent answers. */
    private static function leaveIfForked($error = null)
    {
        if (!self::isForked()) {
            return;
        }
        if ($error !== null) {
            fwrite(STDERR, "$error\n");
        }
        leave($error === null ? 0 : 255);
    }
}

// --- events and results ----------------------------------------------------------------------------------------------

/** The event as PHP has it, or the Failure it is. A JSON text whose content is an object or a list is decoded once more. */
function event_of($text)
{
    $event = json_decode($text, true);
    if ($event === null && json_last_error() !== JSON_ERROR_NONE) {
        return new Failure(4001, 'JsonException', ENTRY . 'the event is not JSON: ' . json_last_error_msg(), []);
    }
    if (is_string($event) && preg_match('/^\s*[{[]/', $event) === 1) {
        return json_decode($event, true) ?? $event;
    }
    return $event;
}

/** A result as [form, text], or [0, the Failure it is]. */
function written($value, $limit)
{
    if ($value === null) {
        return [NOTHING, ''];
    }
    try {
        $isText = is_string($value);
        $text = $isText ? $value : json($value);
    } catch (\Throwable $error) {
        return [NOTHING, new Failure(4007, type_of($error), INVALID . relative($error->getMessage()))];
    }
    if ($text instanceof Failure) {
        return [NOTHING, $text];
    }
    if (strlen($text) > $limit) {
        return [NOTHING, new Failure(4004, 'FunctionResultTooLarge', TOO_LARGE)];
    }
    return [$isText ? (is_utf8($text) ? TEXT : BYTES) : JSON, $text];
}

/** What `json_encode` makes of it, or the Failure it is. */
function json($value)
{
    // PHP would write these as `{}`.
    if ($value instanceof \Closure || $value instanceof \Generator) {
        return new Failure(4007, 'TypeError', INVALID . 'a ' . get_class($value) . ' cannot become JSON');
    }
    $text = json_encode($value);
    return $text === false ? new Failure(4007, 'JsonException', INVALID . json_last_error_msg()) : $text;
}

// --- the start: outside all functions, in the scope where user files expect to be ---------------------------------------

Instance::start();
while (Instance::next()) {
    try {
        require_once Instance::$file;
    } catch (\Throwable $fungraph_thrown) {
        Instance::failed($fungraph_thrown);
        unset($fungraph_thrown);
    }
}
Instance::serve();
