<?php
/** The platform's end of the socket, for tests: starts a bootstrap as its own process and speaks PROTOCOL.md with it. Needs PHP 8 itself. */

namespace fungraph\tests;

const BOOTSTRAP = __DIR__ . '/../bootstrap.php';
const LOAD = 1;
const INITIALIZE = 2;
const INVOKE = 3;
const INVOKE_AS = 5;
const STOP = 4;
const HELLO = 65;
const LOADED = 66;
const INITIALIZED = 67;
const RESULT = 68;
const FAILED = 69;
const LOG = 70;
const STOPPED = 71;
/** Only so that a broken bootstrap fails a test and does not hang it; nothing is decided by it. */
const GIVE_UP_S = 60;

/** What a call came to: its last frame, and its log as one text. */
final class Answer
{
    public $call;
    public $code;
    public $kind;
    public $form;
    public $text;
    public $log = '';
    public $request;

    public function json()
    {
        return json_decode($this->text, true);
    }
}

/** One bootstrap process. */
final class Instance
{
    public $hello;
    public $logs = [];
    private $process;
    private $socket;
    private $output;
    private $calls = 0;
    private $exitCode;

    public function __construct($php, array $flags = [])
    {
        $this->output = tmpfile();
        $words = array_merge([$php], $flags, [BOOTSTRAP]);
        $command = 'exec ' . implode(' ', array_map('escapeshellarg', $words));
        $ends = [['file', '/dev/null', 'r'], $this->output, $this->output, ['socket']];
        $this->process = proc_open($command, $ends, $pipes);
        $this->socket = $pipes[3];
        stream_set_timeout($this->socket, GIVE_UP_S);
    }

    /** The next frame, null once the bootstrap has closed its end. */
    public function receive()
    {
        $head = $this->read(12);
        if ($head === null) {
            return null;
        }
        $answer = new Answer();
        $fields = unpack('Vlength/Vcall/vcode/Ckind/Cform', $head);
        foreach (['call', 'code', 'kind', 'form'] as $name) {
            $answer->$name = $fields[$name];
        }
        $answer->text = $fields['length'] === 0 ? '' : $this->read($fields['length']);
        return $answer;
    }

    private function read($length)
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $more = fread($this->socket, $length - strlen($bytes));
            if ($more === '' || $more === false) {
                if (stream_get_meta_data($this->socket)['timed_out']) {
                    throw new \Exception('the bootstrap says nothing; it printed: ' . $this->printed());
                }
                return null;
            }
            $bytes .= $more;
        }
        return $bytes;
    }

    /** The next frame that is not LOG; those are gathered per call. */
    public function answer($request = null)
    {
        while (($frame = $this->receive()) !== null && $frame->kind === LOG) {
            $this->logs[$frame->call] = ($this->logs[$frame->call] ?? '') . $frame->text;
        }
        if ($frame !== null) {
            $frame->log = $this->logs[$frame->call] ?? '';
            $frame->request = $request;
        }
        return $frame;
    }

    public function send($kind, $call = 0, $payload = '')
    {
        fwrite($this->socket, pack('VVvCC', strlen($payload), $call, 0, $kind, 0) . $payload);
    }

    public function load($folder, array $changes = [])
    {
        $this->hello = $this->answer();
        $this->send(LOAD, 0, json_encode(load_order($folder, $changes)));
        return $this->answer();
    }

    public function initialize($call = 1)
    {
        $request = new_id();
        $this->send(INITIALIZE, $call, $request);
        return $this->answer($request);
    }

    /** Sends INVOKE with the text of an event; gives the request id. */
    public function begin($text)
    {
        $request = new_id();
        $this->calls += 1;
        $this->send(INVOKE, $this->calls, $request . $text);
        return $request;
    }

    public function call($event)
    {
        return $this->answer($this->begin(json_encode($event)));
    }

    public function callAs($alias, $event)
    {
        $request = new_id();
        $this->calls += 1;
        $this->send(INVOKE_AS, $this->calls, $request . chr(strlen($alias)) . $alias . json_encode($event));
        return $this->answer($request);
    }

    public function stop()
    {
        $this->send(STOP);
        return $this->answer();
    }

    /** Closes our end, as a platform that goes away does. */
    public function hangUp()
    {
        fclose($this->socket);
        $this->socket = null;
    }

    /** Waits for the end and gives the exit code. */
    public function exitCode()
    {
        for ($begun = time(); $this->process !== null; usleep(1000)) {
            $status = proc_get_status($this->process);
            if (!$status['running']) {
                $this->exitCode = $status['signaled'] ? -$status['termsig'] : $status['exitcode'];
                proc_close($this->process);
                $this->process = null;
            } elseif (time() - $begun > GIVE_UP_S) {
                throw new \Exception('the bootstrap does not end; it printed: ' . $this->printed());
            }
        }
        return $this->exitCode;
    }

    /** What came on descriptors 1 and 2. */
    public function printed()
    {
        return (string) file_get_contents(stream_get_meta_data($this->output)['uri']);
    }

    public function kill()
    {
        if ($this->process !== null) {
            proc_terminate($this->process, 9);
            $this->exitCode();
        }
    }
}

function new_id()
{
    return preg_replace('/^(.{8})(.{4})(.{4})(.{4})/', '$1-$2-$3-$4-', bin2hex(random_bytes(16)));
}

function load_order($folder, array $changes)
{
    return $changes + [
        'runtime' => 'PHP8.3', 'handler' => 'index.handler', 'initializer' => null, 'pre_stop' => null, 'timeout_ms' => 3000,
        'initializer_timeout_ms' => 3000, 'concurrent_num' => 1, 'memory_mb' => 128, 'cpu_millicores' => 300,
        'max_result_bytes' => 6291456, 'project_id' => '0a1b', 'package' => 'default', 'function' => 'hello', 'version' => 'latest',
        'alias' => '', 'user_data' => new \stdClass(), 'code_root' => $folder, 'env' => ['RUNTIME_CODE_ROOT' => $folder],
    ];
}
