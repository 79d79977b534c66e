using System;
using System.Collections.Generic;
using System.Text.Json;

namespace Fungraph
{
    /// <summary>LOAD's object: all that is known of the function.</summary>
    sealed class Order
    {
        internal readonly string Handler;
        internal readonly string Initializer;
        internal readonly string PreStop;
        internal readonly int TimeoutMillis;
        internal readonly int InitializerTimeoutMillis;
        internal readonly int PreStopTimeoutMillis;
        internal readonly int AtOnce;
        internal readonly int Memory;
        internal readonly int Cpu;
        internal readonly int MostResultBytes;
        internal readonly string Project;
        internal readonly string Package;
        internal readonly string Function;
        internal readonly string Version;
        internal readonly string Alias;
        internal readonly string CodeRoot;
        internal readonly Dictionary<string, string> UserData = new Dictionary<string, string>();
        internal readonly Dictionary<string, string> Environment = new Dictionary<string, string>();

        internal Order(byte[] text)
        {
            using (JsonDocument document = JsonDocument.Parse(text))
            {
                JsonElement order = document.RootElement;
                Handler = Text(order, "handler");
                Initializer = Text(order, "initializer");
                PreStop = Text(order, "pre_stop");
                TimeoutMillis = Number(order, "timeout_ms");
                InitializerTimeoutMillis = Number(order, "initializer_timeout_ms");
                PreStopTimeoutMillis = Number(order, "pre_stop_timeout_ms");
                AtOnce = Number(order, "concurrent_num");
                Memory = Number(order, "memory_mb");
                Cpu = Number(order, "cpu_millicores");
                MostResultBytes = Number(order, "max_result_bytes");
                Project = Text(order, "project_id");
                Package = Text(order, "package");
                Function = Text(order, "function");
                Version = Text(order, "version");
                Alias = Text(order, "alias") ?? "";
                CodeRoot = Text(order, "code_root");
                Texts(order, "user_data", UserData);
                Texts(order, "env", Environment);
            }
        }

        static string Text(JsonElement order, string key)
        {
            JsonElement value;
            return order.TryGetProperty(key, out value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }

        static int Number(JsonElement order, string key)
        {
            // A function may have days; more milliseconds than an int holds are as good as that many.
            return (int)Math.Min(order.GetProperty(key).GetInt64(), int.MaxValue);
        }

        static void Texts(JsonElement order, string key, Dictionary<string, string> into)
        {
            foreach (JsonProperty entry in order.GetProperty(key).EnumerateObject())
            {
                into[entry.Name] = entry.Value.GetString();
            }
        }
    }
}
