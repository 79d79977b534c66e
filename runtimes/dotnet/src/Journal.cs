using System;
using System.Globalization;
using System.Text;

namespace Fungraph
{
    /// <summary>Log lines on their way to the platform, each with the call it belongs to.</summary>
    sealed class Journal
    {
        /// <summary>Characters of the longest line.</summary>
        internal const int Line = 90 * 1024;

        internal readonly Running Running;
        readonly Wire wire;

        internal Journal(Wire wire, Running running)
        {
            this.wire = wire;
            Running = running;
        }

        /// <summary>Sends one line of the logger, cut where it is too long, each piece with the prefix.</summary>
        internal void Logger(string request, int call, string message)
        {
            string time = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            Pieces(call, time + " " + request + " INFO ", message ?? "");
        }

        /// <summary>Sends one printed line of any length, without its line feed.</summary>
        internal void Printed(int call, string line)
        {
            Pieces(call, "", line);
        }

        void Pieces(int call, string prefix, string text)
        {
            int from = 0;
            do
            {
                int to = Cut(text, from);
                string piece = prefix + text.Substring(from, to - from) + "\n";
                wire.Send(Wire.Log, call, Encoding.UTF8.GetBytes(piece));
                from = to;
            }
            while (from < text.Length);
        }

        /// <summary>Where a piece of a line ends: never between the two halves of a character.</summary>
        static int Cut(string text, int from)
        {
            int to = Math.Min(text.Length, from + Line);
            return to < text.Length && char.IsLowSurrogate(text[to]) ? to - 1 : to;
        }
    }
}
