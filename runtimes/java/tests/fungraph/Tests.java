package fungraph;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Random;
import java.util.stream.Stream;

/** Tests of the bootstrap that need nothing but a JDK: each public method is one. Arguments: folder of the functions, Gson's jar. */
public final class Tests {
    private final String functions;
    private final File gson;

    private Tests(String functions, String gson) {
        this.functions = functions;
        this.gson = new File(gson);
    }

    /** Runs all of them; the first that fails ends it. */
    public static void main(String[] arguments) throws Exception {
        Tests tests = new Tests(arguments[0], arguments[1]);
        int passed = 0;
        for (Method test : Tests.class.getDeclaredMethods()) {
            if (test.getParameterCount() == 0 && test.getName().startsWith("test")) {
                try {
                    test.invoke(tests);
                } catch (InvocationTargetException failed) {
                    System.err.println("FAILED " + test.getName());
                    failed.getCause().printStackTrace();
                    System.exit(1);
                }
                passed++;
            }
        }
        check(passed > 0, "a folder of tests without tests");
        System.out.println(passed + " tests of the Java bootstrap passed");
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    private static void same(Object seen, Object expected) {
        check(expected.equals(seen), "expected: " + expected + "\n     got: " + seen);
    }

    private Conversation call(String method, String event) throws IOException {
        return new Conversation().load(functions, "plot.Functions." + method, null, null).invoke(1, event).play(9999);
    }

    void testFramesMayComeInPieces() throws IOException {
        char[] much = new char[20_000];
        java.util.Arrays.fill(much, 'y');
        String event = "\"" + new String(much) + "\"";
        for (int atOnce : new int[] {1, 7, 5000, 100_000}) {
            Conversation talk = new Conversation().load(functions, "plot.Functions.text", null, null);
            talk.invoke(1, event).invoke(2, "2").invoke(3, event).play(atOnce);
            same(talk.answer(1).text, "not begun " + event);
            same(talk.answer(2).text, "not begun 2");
            same(talk.answer(3).text.length(), 10 + event.length());
        }
    }

    void testFrameOfAnUnknownKindEndsIt() {
        try {
            new Conversation().say(9, 0, "").play(99);
            check(false, "it went on");
        } catch (IOException told) {
            same(told.getMessage(), "a frame of unknown kind 9");
        }
    }

    void testInitializerAndPreStopShareTheHandlersObject() throws IOException {
        Conversation talk =
                new Conversation().load(functions, "plot.Functions.text", "plot.Functions.begin", "plot.Functions.stop");
        talk.say(Wire.INITIALIZE, 1, Conversation.REQUEST).invoke(2, "2").say(Wire.STOP, 0, "").play(99);
        same(talk.answer(1).kind, Wire.INITIALIZED);
        same(talk.answer(2).text, "begun by 36 2");
        same(talk.log(0), "stopped after begun by 36\n");
        check(talk.has(Wire.STOPPED), "it stopped");
    }

    void testMissingHooksAreToldWhenTheyShouldRun() throws IOException {
        Conversation talk = new Conversation().load(functions, "plot.Functions.text", "plot.Functions.none", "plot.None.stop");
        talk.say(Wire.INITIALIZE, 1, Conversation.REQUEST).say(Wire.STOP, 0, "").play(99);
        check(talk.has(Wire.LOADED), "the handler is there");
        same(talk.answer(1).code, 4009);
        check(talk.answer(1).text.contains("\"function initialization exception, error: handler 'none' not found"), talk.log(1));
        check(talk.log(0).contains("not found class 'plot.None'"), talk.log(0));
    }

    void testErrorObjectIsWrittenAsTheServiceDoes() throws IOException {
        Conversation.Answer answer = call("fail", "{}").answer(1);
        same(answer.code, 4002);
        String[] lines = answer.text.split("\n");
        same(lines[0], "{");
        same(lines[1], "  \"errorMessage\": \"function invocation exception, error: out\\n\\\"side\\\"\",");
        same(lines[2], "  \"errorType\": \"java.lang.IllegalStateException\",");
        same(lines[3], "  \"stackTrace\": [");
        same(lines[4], "    \"Caused by: java.lang.IllegalStateException: out\",");
        check(lines[6].startsWith("    \"at plot.Functions.fail(Functions.java:"), lines[6]);
        check(lines[7].matches("    \"\\.\\.\\. \\d+ more\","), "our own frames are left out: " + answer.text);
        same(lines[8], "    \"Caused by: java.lang.RuntimeException: inside\",");
        same(lines[lines.length - 2] + lines[lines.length - 1], "  ]}");
        same(call("fail", "{}").log(1), answer.text + "\n");
    }

    void testCallsAtOnceHaveEachItsAnswerAndItsLog() throws IOException {
        Conversation talk = new Conversation().atOnce(3).load(functions, "plot.Functions.meet", null, null);
        talk.invoke(1, "1").invoke(2, "2").invoke(3, "3").play(9999);
        for (int call = 1; call <= 3; call++) {
            same(talk.answer(call).text, "" + call);
            same(talk.log(call), "met by " + call + "\n");
        }
    }

    void testUsedUpHeapEndsTheProcessWithItsNumber() throws IOException {
        Conversation talk = call("hog", "{}");
        same(talk.answer(1).code, 4205);
        same(talk.answer(1).form, 1);
        same(talk.ended, 1);
        Conversation load = new Conversation().load(functions, "plot.Functions$Greedy.handle", null, null).play(99);
        same(load.answer(0).code, 4205);
        same(load.ended, 1);
    }

    void testIsolatedFunctionSeesNothingOfThePlatformButItsApi() throws IOException {
        for (String[] each : new String[][] {
            {"com.google.gson.Gson", "none"},
            {"fungraph.Wire", "none"},
            {"com.huawei.services.runtime.Context", "com.huawei.services.runtime.Context"}
        }) {
            String isolated = "\"class_isolation\":true,";
            Conversation talk = new Conversation().with(isolated).load(functions, "plot.Functions$Seeing.see", null, null);
            same(talk.invoke(1, "\"" + each[0] + "\"").play(999).answer(1).text, each[1]);
            talk = new Conversation().load(functions, "plot.Functions$Seeing.see", null, null);
            same(talk.invoke(1, "\"" + each[0] + "\"").play(999).answer(1).text, each[0]);
        }
    }

    void testHeartbeatThatIsNoneIsToldWhenItIsLoaded() throws IOException {
        for (String name : new String[] {"plot.Functions.pulse", "plot.Functions.none", "plot.None.beat", "beat"}) {
            String heartbeat = "\"heartbeat\":\"" + name + "\",";
            Conversation talk = new Conversation().with(heartbeat).load(functions, "plot.Functions.text", null, null).play(99);
            same(talk.answer(0).code, 4006);
        }
        String heartbeat = "\"heartbeat\":\"plot.Functions.beat\",";
        Conversation talk = new Conversation().with(heartbeat).load(functions, "plot.Functions.text", null, null).play(99);
        check(talk.has(Wire.LOADED), "it has one");
    }

    void testSixFailedHeartbeatsInARowAreTheEnd() throws InterruptedException {
        // Five failures, a good one, then six; each kind of failure is among them.
        java.util.concurrent.atomic.AtomicInteger beats = new java.util.concurrent.atomic.AtomicInteger();
        java.util.concurrent.CountDownLatch left = new java.util.concurrent.CountDownLatch(1);
        Journal journal = new Journal(new Wire(null, new java.io.ByteArrayOutputStream()), new Running());
        Heartbeat heartbeat = new Heartbeat(() -> beats(beats.incrementAndGet()), journal, left::countDown, 1, 20_000);
        Thread thread = heartbeat.start(Tests.class.getClassLoader());
        check(left.await(60, java.util.concurrent.TimeUnit.SECONDS), "it left");
        thread.join();
        same(beats.get(), 12);
    }

    private static boolean beats(int number) {
        if (number == 6) {
            return true;
        }
        if (number % 2 == 0) {
            throw new IllegalStateException("fibrillation");
        }
        return false;
    }

    void testHeartbeatThatHangsIsAskedOnce() throws InterruptedException {
        java.util.concurrent.atomic.AtomicInteger beats = new java.util.concurrent.atomic.AtomicInteger();
        java.util.concurrent.CountDownLatch left = new java.util.concurrent.CountDownLatch(1);
        Journal journal = new Journal(new Wire(null, new java.io.ByteArrayOutputStream()), new Running());
        Heartbeat.Method hangs = () -> {
            beats.incrementAndGet();
            Thread.sleep(60_000);
            return true;
        };
        new Heartbeat(hangs, journal, left::countDown, 1, 1).start(Tests.class.getClassLoader());
        check(left.await(60, java.util.concurrent.TimeUnit.SECONDS), "it left");
        same(beats.get(), 1);
    }

    void testFullDiskHasItsNumber() throws IOException {
        same(call("fail", "{\"disk\":\"1\"}").answer(1).code, 4207);
    }

    void testEventThatDoesNotFitIsAnEntryError() throws IOException {
        Conversation.Answer answer = call("same", "[1]").answer(1);
        same(answer.code, 4001);
        check(answer.text.contains("the event cannot be read as com.google.gson.JsonObject"), answer.text);
    }

    void testTextThatHoldsAnObjectIsReadOnceMore() throws IOException {
        same(call("same", "\"{\\\"a\\\": [1]}\"").answer(1).text, "{\"a\":[1]}");
        same(call("text", "\"[1]\"").answer(1).text, "not begun [1]");
        same(call("text", "\"[1\"").answer(1).text, "not begun \"[1\"");
    }

    void testAnAliasBelongsToItsCall() throws IOException {
        Conversation talk = new Conversation().load(functions, "plot.Functions.alias", null, null);
        talk.say(Wire.INVOKE_AS, 1, Conversation.REQUEST + "\u0004prod\"e\"").invoke(2, "\"e\"").play(99);
        same(talk.answer(1).text, "\"e\" prod");
        same(talk.answer(2).text, "\"e\" ");
    }

    void testBridgesHideNoTypes() throws IOException {
        Conversation talk = new Conversation().load(functions, "plot.Functions$Typed.handle", null, null);
        same(talk.invoke(1, "{\"name\":\"n\",\"sizes\":[1,2]}").play(99).answer(1).text, "n2");
    }

    void testLongLinesAreCutEachWithItsPrefix() throws IOException {
        String log = call("log", "{\"count\":" + (2 * Journal.LINE + 1) + "}").log(1);
        String[] lines = log.split("\n");
        same(lines.length, 6);
        for (int index = 0; index < 3; index++) {
            check(lines[index].substring(24).startsWith(" " + Conversation.REQUEST + " INFO x"), lines[index].substring(0, 60));
        }
        same(lines[2].length() - lines[2].indexOf('x'), 1);
        same(lines[3].length() + lines[4].length() + lines[5].length(), 2 * Journal.LINE + 1);
    }

    void testVariablesReachTheProcess() throws IOException {
        call("text", "1");
        same(System.getenv("RUNTIME_TEST"), "set");
    }

    /** A package with its own Gson sees that one, and one without sees ours. */
    void testFunctionMayBringItsOwnGson() throws IOException {
        same(new File(call("gson", "{}").answer(1).text).getCanonicalPath(), gson.getCanonicalPath());
        Path root = Files.createTempDirectory("own-gson");
        try (Stream<Path> files = Files.walk(new File(functions).toPath())) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path copy = root.resolve(new File(functions).toPath().relativize(file));
                if (!copy.equals(root)) {
                    Files.copy(file, copy);
                }
            }
        }
        Path own = root.resolve("lib.jar");
        Files.copy(gson.toPath(), own);
        for (String[] each : new String[][] {{"gson", "{}", own.toString()}, {"same", "{\"a\": 1}", "{\"a\":1}"}}) {
            Conversation talk = new Conversation().load(root.toString(), "plot.Functions." + each[0], null, null);
            same(talk.invoke(1, each[1]).play(999).answer(1).text, each[2]);
        }
    }

    void testErrorOfAStaticInitializerIsALoadError() throws IOException {
        Conversation talk = new Conversation().load(functions, "plot.Functions$Broken.handle", null, null).play(99);
        same(talk.answer(0).code, 4001);
        check(talk.answer(0).text.contains("dug too deep"), talk.answer(0).text);
    }

    void testErrorObjectsFitIntoAFrame() throws IOException {
        Conversation.Answer answer = call("shout", "{}").answer(1);
        same(answer.code, 4002);
        check(answer.text.length() < 4 << 20, "it has " + answer.text.length() + " characters");
    }

    void testPackageWithoutClassesIsTold() throws IOException {
        String empty = Files.createTempDirectory("empty").toString();
        Conversation talk = new Conversation().load(empty, "plot.Functions.text", null, null).play(99);
        same(talk.answer(0).code, 4001);
        check(talk.answer(0).text.contains("neither class files nor jars"), talk.answer(0).text);
    }

    void testTimesAreWrittenAsTheClockHasThem() {
        Random random = new Random(1);
        for (int count = 0; count < 20_000; count++) {
            long millis = (long) (random.nextDouble() * 4_102_444_800_000L);
            String expected = Instant.ofEpochMilli(millis - millis % 1000).toString().replace("Z", "");
            same(Stamp.of(millis), expected + String.format(".%03dZ", millis % 1000));
        }
    }
}
