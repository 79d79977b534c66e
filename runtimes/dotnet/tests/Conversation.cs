using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;

namespace Fungraph
{
    /// <summary>A session whose other end is the test: frames are written down beforehand, and answers read afterwards.</summary>
    sealed class Conversation : IChannel
    {
        internal const string Request = "11111111-2222-3333-4444-555555555555";

        readonly MemoryStream script = new MemoryStream();
        readonly List<Answer> answers = new List<Answer>();
        readonly int awaited;
        readonly ManualResetEventSlim all = new ManualResetEventSlim();

        /// <summary>What the process ended with, if it did.</summary>
        internal int? Ended;
        internal Session Session;

        /// <summary>One whose end of file comes only after so many answers that are no log lines.</summary>
        internal Conversation(int awaited = 0)
        {
            this.awaited = awaited;
        }

        internal Conversation Load(string handler, string more = "", int atOnce = 1)
        {
            string code = Tests.Functions;
            string order = "{\"handler\":\"" + handler + "\"," + more + "\"timeout_ms\":3000,\"initializer_timeout_ms\":4000,"
                + "\"pre_stop_timeout_ms\":5000,\"concurrent_num\":" + atOnce + ",\"memory_mb\":256,\"cpu_millicores\":400,"
                + "\"max_result_bytes\":1000,\"project_id\":\"p\",\"package\":\"default\",\"function\":\"f\",\"version\":\"latest\","
                + "\"code_root\":\"" + code + "\",\"user_data\":{\"a\":\"b\"},\"env\":{\"RUNTIME_TEST\":\"yes\"}}";
            return Frame(Wire.Load, 0, order);
        }

        internal Conversation Invoke(int call, string text)
        {
            return Frame(Wire.Invoke, call, Request + text);
        }

        internal Conversation Frame(int kind, int call, string payload)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(payload);
            script.Write(BitConverter.GetBytes(bytes.Length), 0, 4);
            script.Write(BitConverter.GetBytes(call), 0, 4);
            script.Write(new byte[] { 0, 0, (byte)kind, 0 }, 0, 4);
            script.Write(bytes, 0, bytes.Length);
            return this;
        }

        internal Conversation Play()
        {
            script.Position = 0;
            Session = new Session(new Wire(this), status => Ended = status, Tests.Package.Named);
            Session.TakeOutput();
            Session.Serve();
            return this;
        }

        internal List<Answer> Of(int kind)
        {
            lock (answers)
            {
                return answers.FindAll(answer => answer.Kind == kind);
            }
        }

        /// <summary>The one answer to a call.</summary>
        internal Answer To(int call)
        {
            lock (answers)
            {
                return answers.Find(answer => answer.Call == call && answer.Kind != Wire.Log);
            }
        }

        /// <summary>What a call has logged.</summary>
        internal string Log(int call)
        {
            var log = new StringBuilder();
            foreach (Answer answer in Of(Wire.Log))
            {
                log.Append(answer.Call == call ? answer.Text : "");
            }
            return log.ToString();
        }

        public int Read(byte[] buffer, int offset, int count)
        {
            int got = script.Read(buffer, offset, count);
            if (got == 0 && awaited > 0 && !all.Wait(20000))
            {
                throw new TimeoutException("not all calls were answered");
            }
            return got;
        }

        public void Write(byte[] buffer, int count)
        {
            lock (answers)
            {
                answers.Add(new Answer
                {
                    Call = BitConverter.ToInt32(buffer, 4),
                    Code = BitConverter.ToUInt16(buffer, 8),
                    Kind = buffer[10],
                    Form = buffer[11],
                    Text = Encoding.UTF8.GetString(buffer, 12, count - 12),
                });
                if (answers.FindAll(answer => answer.Kind != Wire.Log).Count == awaited)
                {
                    all.Set();
                }
            }
        }

        public bool IsReadable()
        {
            return true;
        }
    }

    /// <summary>A frame that the session has sent.</summary>
    sealed class Answer
    {
        internal int Kind;
        internal int Call;
        internal int Code;
        internal int Form;
        internal string Text;
    }
}
