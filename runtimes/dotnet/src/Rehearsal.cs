using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Fungraph
{
    /// <summary>
    /// A conversation with ourselves, in memory, while a process waits for its function: what a first call needs is then loaded and
    /// compiled already.
    /// </summary>
    static class Rehearsal
    {
        const string Request = "00000000-0000-0000-0000-000000000000";
        const string Event = "{\"text\":\"a\",\"number\":1.5,\"flag\":true,\"list\":[\"b\"],\"map\":{\"c\":\"d\"}}";

        /// <summary>Plays on until the last act, or until somebody is waiting: between acts, so it never takes long to stop.</summary>
        internal static void Play(Func<bool> isAsked)
        {
            foreach (string act in new[] { "Echo", "Turn", "Fail" })
            {
                if (isAsked())
                {
                    return;
                }
                var script = new MemoryStream();
                Add(script, Wire.Load, 0, Order(act));
                Add(script, Wire.Initialize, 1, Request);
                Add(script, Wire.Invoke, 1, Request + Event);
                Add(script, Wire.Invoke, 2, Request + "{}");
                script.Position = 0;
                new Session(new Wire(new Script(script)), status => { }, name => typeof(Rehearsal).Assembly).Serve();
            }
        }

        static string Order(string act)
        {
            return "{\"handler\":\"bootstrap::Fungraph.Actor::" + act + "\",\"initializer\":\"bootstrap::Fungraph.Actor::Begin\","
                + "\"pre_stop\":null,\"timeout_ms\":3000,\"initializer_timeout_ms\":3000,\"pre_stop_timeout_ms\":3000,"
                + "\"concurrent_num\":1,\"memory_mb\":128,\"cpu_millicores\":300,\"max_result_bytes\":1000,\"project_id\":\"\","
                + "\"package\":\"\",\"function\":\"\",\"version\":\"\",\"code_root\":\"/opt/function/code\",\"user_data\":{},\"env\":{}}";
        }

        static void Add(MemoryStream script, int kind, int call, string payload)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(payload);
            script.Write(BitConverter.GetBytes(bytes.Length), 0, 4);
            script.Write(BitConverter.GetBytes(call), 0, 4);
            script.Write(new byte[] { 0, 0, (byte)kind, 0 }, 0, 4);
            script.Write(bytes, 0, bytes.Length);
        }

        /// <summary>Says what is written there, and forgets what it is told.</summary>
        sealed class Script : IChannel
        {
            readonly MemoryStream script;

            internal Script(MemoryStream script)
            {
                this.script = script;
            }

            public int Read(byte[] buffer, int offset, int count)
            {
                return script.Read(buffer, offset, count);
            }

            public void Write(byte[] buffer, int count)
            {
            }

            public bool IsReadable()
            {
                return true;
            }
        }
    }

    /// <summary>The interface that the rehearsed function has; the service's own comes with a package.</summary>
    public interface IFunctionContext
    {
        string RequestId { get; }

        int RemainingTimeInMilliSeconds { get; }

        IFunctionLogger Logger { get; }

        string GetUserData(string key, string otherwise = "");
    }

    /// <summary>Its logger.</summary>
    public interface IFunctionLogger
    {
        void Log(string message);

        void Logf(string format, params object[] arguments);
    }

    /// <summary>The function that is rehearsed with.</summary>
    public sealed class Actor
    {
        /// <summary>Initializes.</summary>
        public void Begin(IFunctionContext context)
        {
            context.GetUserData("none");
        }

        /// <summary>A stream in, a stream out.</summary>
        public Stream Echo(Stream input, IFunctionContext context)
        {
            context.Logger.Logf("{0} of {1}", context.RequestId, context.RemainingTimeInMilliSeconds);
            var text = new StreamReader(input).ReadToEnd();
            return new MemoryStream(Encoding.UTF8.GetBytes(text));
        }

        /// <summary>An object in and out.</summary>
        public Props Turn(Props input, IFunctionContext context)
        {
            return input;
        }

        /// <summary>Fails.</summary>
        public string Fail(string input, IFunctionContext context)
        {
            throw new InvalidOperationException("rehearsed", new IOException("cause"));
        }
    }

    /// <summary>What the actor is given.</summary>
    public sealed class Props
    {
        public string Text { get; set; }

        public double Number { get; set; }

        public bool Flag { get; set; }

        public List<string> List { get; set; }

        public Dictionary<string, string> Map { get; set; }
    }
}
