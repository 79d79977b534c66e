using System;
using System.IO;
using System.Text;

namespace Fungraph
{
    /// <summary>Tests of the bootstrap in memory: compiled together with it, without any library. `cargo xtask check bootstraps` runs them.</summary>
    static class Tests
    {
        /// <summary>Folder of the assembly with the functions that are called.</summary>
        internal static string Functions;
        /// <summary>Its load context: a process has one, and so have all conversations here.</summary>
        internal static Package Package;
        static int failed;

        static int Main(string[] arguments)
        {
            Functions = arguments[0];
            Package = Package.Of(Functions, "Plot");
            TextWriter screen = Console.Out;
            Context();
            Stop();
            Values();
            AtOnce();
            Errors();
            Memory();
            Broken();
            Frames();
            Handlers();
            Console.SetOut(screen);
            Console.WriteLine(failed == 0 ? "all passed" : failed + " failed");
            return failed == 0 ? 0 : 1;
        }

        static void Context()
        {
            Conversation told = new Conversation().Load("Plot::Plot.Functions::Ask").Invoke(1, "{}").Play();
            Same("a context of a later interface", told.To(1).Text, Conversation.Request + "||0|256|bc|yes||{}");
            told = new Conversation().Load("Plot::Plot.Functions::Ask").Frame(Wire.InvokeAs, 1, Conversation.Request + "\u0004prod{}").Play();
            Holds("a call by an alias: " + told.To(1).Text, told.To(1).Text.EndsWith("|yes|prod|{}"));
            Same("text is text", told.To(1).Form, Result.Text);
        }

        static void Stop()
        {
            Conversation told = new Conversation()
                .Load("Plot::Plot.Functions::Ask", "\"pre_stop\":\"Plot::Plot.Functions::Leave\",").Frame(Wire.Stop, 0, "").Play();
            Same("the pre-stop handler has its own time", told.Log(0), "left True\n");
            Same("and is answered", told.Of(Wire.Stopped).Count, 1);
            told = new Conversation().Load("Plot::Plot.Functions::Ask", "\"pre_stop\":\"Plot::Plot.Functions::Go\",")
                .Frame(Wire.Stop, 0, "").Play();
            Holds("a missing one is logged", told.Log(0).Contains("handler 'Go' not found in class 'Plot.Functions'"));
            told = new Conversation().Frame(Wire.Stop, 0, "").Play();
            Same("STOP may come before LOAD", told.Of(Wire.Stopped).Count, 1);
        }

        static void Values()
        {
            Conversation told = new Conversation().Load("Plot::Plot.Functions::Value").Invoke(1, "{\"x\":1}").Play();
            Same("a value task is awaited", told.To(1).Text, "{\"X\":2}");
            Same("and is JSON", told.To(1).Form, Result.Json);
            told = new Conversation().Load("Plot::Plot.Functions::None").Invoke(1, "{}").Play();
            Same("no task is nothing", told.To(1).Form, Result.Nothing);
            told = new Conversation().Load("Plot::Plot.Functions::Bytes").Invoke(1, "raw").Play();
            Same("bytes are bytes", told.To(1).Text + told.To(1).Form, "raw" + Result.Bytes);
            told = new Conversation().Load("Plot::Plot.Functions::Bytes").Invoke(1, new string('a', 1001)).Play();
            Same("too many are refused", told.To(1).Code, Failure.TooLarge);
            told = new Conversation().Load("Plot::Plot.Functions::Later").Invoke(1, "{}").Play();
            Same("a full disk is told", told.To(1).Code, Failure.DiskFull);
        }

        static void AtOnce()
        {
            Conversation told = new Conversation(4).Load("Plot::Plot.Functions::Meet", "", 3)
                .Invoke(1, "a").Invoke(2, "b").Invoke(3, "c").Play();
            for (int call = 1; call <= 3; call++)
            {
                string input = "abc".Substring(call - 1, 1);
                Same("each has its own answer", told.To(call).Text, input);
                string log = told.Log(call);
                Holds("and its own log: " + log, log.Contains(" INFO logged " + input + "\n") && log.EndsWith("begun by " + input + "\n"));
            }
        }

        static void Errors()
        {
            Conversation told = new Conversation().Load("Plot::Plot.Functions::Wide").Invoke(1, "{}").Play();
            string text = told.To(1).Text;
            Holds("what JSON cannot have is escaped: " + text, text.Contains("quote \\\" back \\\\ bell \\u0007 half \\ud83d"));
            Holds("our frames are left out", text.Contains("at Plot.Functions.Wide") && !text.Contains("Fungraph"));
            string first = told.Of(Wire.Log)[0].Text;
            Same("a long line is cut before a pair", first, new string('a', 92159) + "\n");
            Same("and goes on", told.Of(Wire.Log)[1].Text, "\ud83d\ude00b\n");
        }

        static void Memory()
        {
            Conversation told = new Conversation().Load("Plot::Plot.Greedy::Ask").Play();
            Same("memory that is used up while loading", told.To(0).Code, Failure.OutOfMemory);
            Same("ends the process", told.Ended, 1);
            Same("as the frame says", told.To(0).Form, 1);
        }

        static void Broken()
        {
            var told = new Conversation();
            told.Load("Plot::Plot.Functions::Ask").Play();
            told.Session.Broken(new InvalidOperationException("alone"));
            Same("an error outside any call ends the process", told.Ended, 1);
            Holds("and is logged", told.Log(0).Contains("System.InvalidOperationException: alone\n"));
        }

        static void Frames()
        {
            foreach (int kind in new[] { 0, 9, Wire.Result })
            {
                try
                {
                    new Conversation().Frame(kind, 0, "").Play();
                    Holds("a frame of kind " + kind + " is refused", false);
                }
                catch (InvalidDataException)
                {
                    // As it should be.
                }
            }
        }

        static void Handlers()
        {
            Conversation none = new Conversation().Load("Plot::Plot.Barn::Open").Play();
            Holds("a missing class is named: " + none.To(0).Text, none.To(0).Text.Contains("not found class 'Plot.Barn' in assembly 'Plot'"));
            foreach (string name in new[] { "a", "a::b", "a::b::c::d", "::b::c", "a::::c", "a::b::", "../a::b::c", "a.b" })
            {
                Conversation told = new Conversation().Load(name).Play();
                Same(name, told.To(0).Code, Failure.Entry);
                Holds(name + ": " + told.To(0).Text, told.To(0).Text.Contains("FunctionConfigError"));
            }
        }

        static void Same<T>(string what, T found, T expected)
        {
            Holds(what + ": " + found + " instead of " + expected, Equals(found, expected));
        }

        static void Holds(string what, bool holds)
        {
            if (!holds)
            {
                failed++;
                Console.OpenStandardError().Write(Encoding.UTF8.GetBytes("failed: " + (what.Length > 500 ? what.Substring(0, 500) : what) + "\n"));
            }
        }
    }
}
