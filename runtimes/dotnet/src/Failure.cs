using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Fungraph
{
    /// <summary>Something the platform is told as FAILED, already in its words.</summary>
    sealed class Failure : Exception
    {
        internal const int Entry = 4001;
        internal const int Thrown = 4002;
        internal const int TooLarge = 4004;
        internal const int NotSerialisable = 4007;
        internal const int Initializer = 4009;
        internal const int OutOfMemory = 4205;
        internal const int DiskFull = 4207;

        /// <summary>Characters of the longest message.</summary>
        const int Longest = 64 * 1024;
        /// <summary>ENOSPC and EDQUOT, which .NET hands on as they are.</summary>
        const int NoSpace = 28;
        const int NoQuota = 122;

        internal readonly int Code;
        /// <summary>Whether the process ends after it.</summary>
        internal readonly bool Leaving;
        readonly string type;
        readonly List<string> stack;

        Failure(int code, string type, string message, List<string> stack, bool leaving) : base(message)
        {
            Code = code;
            this.type = type;
            this.stack = stack;
            Leaving = leaving;
        }

        /// <summary>A function that is not as its configuration says.</summary>
        internal static Failure Config(string message)
        {
            return new Failure(Entry, "FunctionConfigError", Prefix(Entry) + message, null, false);
        }

        /// <summary>An assembly or a class that cannot be loaded. Memory that is used up is told as that.</summary>
        internal static Failure Load(string message, Exception cause)
        {
            if (cause != null && IsOutOfMemory(cause))
            {
                return Memory(cause);
            }
            return new Failure(Entry, "FunctionLoadError", Prefix(Entry) + message, cause == null ? null : Stack.Lines(cause), false);
        }

        /// <summary>The same for an initializer, which is told about when it should run.</summary>
        internal Failure OfInitializer()
        {
            if (Code != Entry)
            {
                return this;
            }
            string message = Prefix(Initializer) + Message.Substring(Prefix(Entry).Length);
            return new Failure(Initializer, type, message, stack, Leaving);
        }

        /// <summary>An event that does not fit the handler's parameter.</summary>
        internal static Failure Event(Type parameter, Exception error)
        {
            string message = "the event cannot be read as " + parameter.FullName + ": " + Text(error);
            return new Failure(Entry, error.GetType().FullName, Prefix(Entry) + message, null, false);
        }

        /// <summary>A result that cannot be written down.</summary>
        internal static Failure Result(Exception error)
        {
            string message = "function result is invalid, error: " + Text(error);
            return new Failure(NotSerialisable, error.GetType().FullName, message, null, false);
        }

        /// <summary>A result longer than the platform takes.</summary>
        internal static Failure Large(int most)
        {
            string message = "the return value of the function exceeds the maximum allowed limit: more than " + most + " bytes";
            return new Failure(TooLarge, "FunctionResultTooLarge", message, null, false);
        }

        /// <summary>Something that user code threw; `code` is that of a handler or an initializer.</summary>
        internal static Failure Of(int code, Exception error)
        {
            if (IsOutOfMemory(error))
            {
                return Memory(error);
            }
            bool full = code == Thrown && IsDiskFull(error);
            return new Failure(full ? DiskFull : code, error.GetType().FullName, Prefix(code) + Text(error), Stack.Lines(error), false);
        }

        /// <summary>The same for an error that no handler can catch any more: the process ends after it.</summary>
        internal Failure AndLeave()
        {
            return new Failure(Code, type, Message, stack, true);
        }

        internal byte[] Payload()
        {
            var json = new StringBuilder("{\n    \"errorMessage\": ");
            Quote(json, Message.Length > Longest ? Message.Substring(0, Longest) : Message);
            json.Append(",\n    \"errorType\": ");
            Quote(json, type);
            if (stack != null)
            {
                json.Append(",\n    \"stackTrace\": [");
                string between = "\n        ";
                foreach (string line in stack)
                {
                    Quote(json.Append(between), line);
                    between = ",\n        ";
                }
                json.Append(stack.Count == 0 ? "]" : "\n    ]");
            }
            return Encoding.UTF8.GetBytes(json.Append("\n}").ToString());
        }

        /// <summary>What an error says; user code may have overridden that, and may throw there.</summary>
        internal static string Text(Exception error)
        {
            try
            {
                return error.Message ?? error.GetType().FullName;
            }
            catch (Exception)
            {
                return "<a " + error.GetType().FullName + " that cannot be printed>";
            }
        }

        static Failure Memory(Exception error)
        {
            string message = "runtime memory limit exceeded (" + Text(error) + "): raise memory_size, or use less memory";
            return new Failure(OutOfMemory, typeof(OutOfMemoryException).FullName, message, Stack.Lines(error), true);
        }

        static string Prefix(int code)
        {
            switch (code)
            {
                case Entry:
                    return "function entry exception, error: ";
                case Initializer:
                    return "function initialization exception, error: ";
                default:
                    return "function invocation exception, error: ";
            }
        }

        /// <summary>Whether the heap is used up, and not, say, an array longer than any can be.</summary>
        static bool IsOutOfMemory(Exception error)
        {
            foreach (Exception each in Stack.Chain(error))
            {
                if (each is OutOfMemoryException && !Text(each).Contains("dimensions"))
                {
                    return true;
                }
            }
            return false;
        }

        static bool IsDiskFull(Exception error)
        {
            foreach (Exception each in Stack.Chain(error))
            {
                if (each is IOException && (each.HResult == NoSpace || each.HResult == NoQuota))
                {
                    return true;
                }
            }
            return false;
        }

        static void Quote(StringBuilder json, string text)
        {
            json.Append('"');
            for (int at = 0; at < text.Length; at++)
            {
                char c = text[at];
                if (c == '"' || c == '\\')
                {
                    json.Append('\\').Append(c);
                }
                else if (c == '\n')
                {
                    json.Append("\\n");
                }
                else if (c < ' ' || char.IsSurrogate(c) && !IsPaired(text, at))
                {
                    json.Append("\\u").Append(((int)c).ToString("x4"));
                }
                else
                {
                    json.Append(c);
                }
            }
            json.Append('"');
        }

        static bool IsPaired(string text, int at)
        {
            if (char.IsHighSurrogate(text[at]))
            {
                return at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]);
            }
            return at > 0 && char.IsHighSurrogate(text[at - 1]);
        }
    }
}
