using System;
using System.Collections.Generic;

namespace Fungraph
{
    /// <summary>Stack traces as the platform shows them: without our own frames, and with paths relative to the package.</summary>
    static class Stack
    {
        /// <summary>A deep recursion has thousands, and nobody reads them.</summary>
        const int Frames = 200;
        const int Most = 20;
        const string CodeRoot = "/opt/function/code/";

        /// <summary>What stands below a handler: ours, and .NET's on the way from ours to it.</summary>
        static readonly string[] Own =
        {
            "at Fungraph.", "at System.Reflection.", "at System.RuntimeMethodHandle.", "at System.RuntimeType.",
            "at System.Threading.", "at System.Runtime.CompilerServices.TaskAwaiter", "at InvokeStub_",
            "at System.Runtime.CompilerServices.ValueTaskAwaiter", "at System.Activator.",
            "at System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw", "--- End of stack trace",
        };

        /// <summary>An error and what led to it.</summary>
        internal static List<Exception> Chain(Exception error)
        {
            var chain = new List<Exception>();
            for (Exception each = error; each != null && chain.Count < Most; each = each.InnerException)
            {
                chain.Add(each);
            }
            return chain;
        }

        internal static List<string> Lines(Exception error)
        {
            var lines = new List<string>();
            foreach (Exception each in Chain(error))
            {
                if (!ReferenceEquals(each, error))
                {
                    lines.Add("Caused by: " + each.GetType().FullName + ": " + Failure.Text(each));
                }
                List<string> frames = FramesOf(each);
                int shown = Math.Min(frames.Count, Frames);
                lines.AddRange(frames.GetRange(0, shown));
                if (shown < frames.Count)
                {
                    lines.Add("... " + (frames.Count - shown) + " more");
                }
            }
            return lines;
        }

        static List<string> FramesOf(Exception error)
        {
            var frames = new List<string>();
            string text = error.StackTrace;
            if (text == null)
            {
                return frames;
            }
            foreach (string line in text.Split('\n'))
            {
                frames.Add(line.Trim().Replace(CodeRoot, ""));
            }
            while (frames.Count > 0 && IsOwn(frames[frames.Count - 1]))
            {
                frames.RemoveAt(frames.Count - 1);
            }
            return frames;
        }

        static bool IsOwn(string frame)
        {
            foreach (string start in Own)
            {
                if (frame.StartsWith(start, StringComparison.Ordinal))
                {
                    return true;
                }
            }
            return frame.Length == 0;
        }
    }
}
