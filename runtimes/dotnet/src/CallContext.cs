using System;
using System.Diagnostics;
using System.Globalization;

namespace Fungraph
{
    /// <summary>What a handler may ask about its call, by the names that the service's interface has.</summary>
    sealed class CallContext
    {
        readonly Order order;
        readonly Journal journal;
        readonly string request;
        readonly string alias;
        readonly int limitMillis;
        readonly Stopwatch running = Stopwatch.StartNew();

        internal readonly int Call;
        /// <summary>Whether it is the initializer's.</summary>
        internal readonly bool IsInitializer;

        internal CallContext(Order order, Journal journal, int call, string request, string alias, int limitMillis, bool isInitializer)
        {
            this.order = order;
            this.journal = journal;
            this.request = request;
            this.alias = alias;
            this.limitMillis = limitMillis;
            Call = call;
            IsInitializer = isInitializer;
        }

        /// <summary>
        /// The value of a property. Keys and tokens come from agencies, workflow ids from function flows: the service gives empty texts
        /// without them, and so does a name that is not known yet.
        /// </summary>
        internal object Get(string name)
        {
            switch (name)
            {
                case "RequestId":
                    return request;
                case "Alias":
                    return alias;
                case "ProjectId":
                    return order.Project;
                case "PackageName":
                    return order.Package;
                case "FunctionName":
                    return order.Function;
                case "FunctionVersion":
                    return order.Version;
                case "MemoryLimitInMb":
                    return order.Memory;
                case "CpuNumber":
                case "CPUNumber":
                    return order.Cpu;
                case "RemainingTimeInMilliSeconds":
                    return (int)Math.Max(0, limitMillis - running.ElapsedMilliseconds);
                case "RunningTimeInSeconds":
                    return order.TimeoutMillis / 1000;
                default:
                    return null;
            }
        }

        internal string UserData(string key, string otherwise)
        {
            string value;
            return key != null && order.UserData.TryGetValue(key, out value) ? value : otherwise;
        }

        internal void Log(string text)
        {
            journal.Logger(request, Call, text);
        }

        /// <summary>A format that does not fit its arguments is logged as it stands: a log line must not fail a call.</summary>
        internal void Log(string format, object[] arguments)
        {
            string text = format;
            if (format != null && arguments != null && arguments.Length > 0)
            {
                try
                {
                    text = string.Format(CultureInfo.InvariantCulture, format, arguments);
                }
                catch (FormatException)
                {
                    text = format + " " + string.Join(" ", arguments);
                }
            }
            Log(text);
        }
    }
}
