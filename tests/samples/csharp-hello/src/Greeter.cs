using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Tells what the context says. Not public, as the classes of many functions are.</summary>
    class Greeter
    {
        static void Main()
        {
        }

        public Stream Greet(Stream input, IFunctionContext context)
        {
            var bytes = new byte[input.Length];
            input.Read(bytes, 0, bytes.Length);
            context.Logger.Logf("hello from {0}, {1} of them", context.FunctionName, 1);
            var seen = new Dictionary<string, string>
            {
                ["event"] = Encoding.UTF8.GetString(bytes),
                ["request"] = context.RequestId,
                ["project"] = context.ProjectId,
                ["package"] = context.PackageName,
                ["function"] = context.FunctionName,
                ["version"] = context.FunctionVersion,
                ["memory"] = context.MemoryLimitInMb.ToString(),
                ["cpu"] = context.CpuNumber.ToString(),
                ["left"] = (context.RemainingTimeInMilliSeconds > 0 && context.RemainingTimeInMilliSeconds <= 15000).ToString(),
                ["season"] = context.GetUserData("season"),
                ["none"] = context.GetUserData("none"),
                ["other"] = context.GetUserData("none", "later"),
                ["token"] = context.Token + context.SecurityToken + context.AccessKey + context.SecuritySecretKey,
                ["workflow"] = context.WorkflowID,
                ["env"] = Environment.GetEnvironmentVariable("RUNTIME_FUNC_NAME"),
                ["hidden"] = Environment.GetEnvironmentVariable("season") + Environment.GetEnvironmentVariable("COMPlus_GCHeapHardLimit"),
                ["folder"] = Directory.GetCurrentDirectory(),
                ["base"] = AppContext.BaseDirectory,
            };
            return new MemoryStream(System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(seen));
        }
    }
}
