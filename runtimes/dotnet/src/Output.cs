using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Fungraph
{
    /// <summary>What Console.Out and Console.Error are: sends each line when it is complete, keeps what is not, per call.</summary>
    sealed class Output : TextWriter
    {
        /// <summary>More characters than this without a line feed are not hoarded.</summary>
        const int Hoard = 4 * Journal.Line;

        readonly Journal journal;
        readonly object open = new object();
        readonly Dictionary<int, StringBuilder> lines = new Dictionary<int, StringBuilder>();

        internal Output(Journal journal)
        {
            this.journal = journal;
            CoreNewLine = new[] { '\n' };
        }

        public override Encoding Encoding
        {
            get { return Encoding.UTF8; }
        }

        public override void Write(char value)
        {
            Write(value.ToString());
        }

        public override void Write(char[] buffer, int index, int count)
        {
            Write(new string(buffer, index, count));
        }

        public override void WriteLine(string value)
        {
            Write(value + "\n");
        }

        public override void Write(string value)
        {
            if (string.IsNullOrEmpty(value))
            {
                return;
            }
            int call = journal.Running.Call();
            lock (open)
            {
                int from = 0;
                for (int feed = value.IndexOf('\n'); feed >= 0; feed = value.IndexOf('\n', from))
                {
                    journal.Printed(call, Taken(call) + value.Substring(from, feed - from));
                    from = feed + 1;
                }
                Keep(call, value, from);
            }
        }

        /// <summary>Sends the line that a call has left open.</summary>
        internal void EndLine(int call)
        {
            lock (open)
            {
                if (lines.ContainsKey(call))
                {
                    journal.Printed(call, Taken(call));
                }
            }
        }

        /// <summary>The same for all calls: the process is about to end.</summary>
        internal void EndLines()
        {
            lock (open)
            {
                foreach (int call in new List<int>(lines.Keys))
                {
                    EndLine(call);
                }
            }
        }

        void Keep(int call, string value, int from)
        {
            if (from == value.Length)
            {
                return;
            }
            StringBuilder line;
            if (!lines.TryGetValue(call, out line))
            {
                line = new StringBuilder();
                lines[call] = line;
            }
            line.Append(value, from, value.Length - from);
            if (line.Length >= Hoard)
            {
                EndLine(call);
            }
        }

        string Taken(int call)
        {
            StringBuilder line;
            if (lines.Count == 0 || !lines.TryGetValue(call, out line))
            {
                return "";
            }
            lines.Remove(call);
            return line.ToString();
        }
    }
}
