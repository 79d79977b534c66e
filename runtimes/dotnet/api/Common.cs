using System;
using System.IO;
using System.Text;

// The API that functions are compiled against, where their package brings none: its names, as the public documentation has them.
// fungraph compiles this text once for each operator, with that operator's namespace.
namespace HC.Serverless.Function.Common
{
    /// <summary>What a handler may ask about its call.</summary>
    public interface IFunctionContext
    {
        string RequestId { get; }

        string ProjectId { get; }

        string PackageName { get; }

        string FunctionName { get; }

        string FunctionVersion { get; }

        int MemoryLimitInMb { get; }

        int CpuNumber { get; }

        string AccessKey { get; }

        string SecretKey { get; }

        string SecurityAccessKey { get; }

        string SecuritySecretKey { get; }

        string SecurityToken { get; }

        string Token { get; }

        string WorkflowID { get; }

        string WorkflowRunID { get; }

        string WorkflowStateID { get; }

        int RemainingTimeInMilliSeconds { get; }

        IFunctionLogger Logger { get; }

        string GetUserData(string key, string defvalue = "");
    }

    /// <summary>Writes lines of the call's log.</summary>
    public interface IFunctionLogger
    {
        void Log(string message);

        void Logf(string format, params object[] args);
    }

    /// <summary>Between the bytes outside and the types of a handler.</summary>
    public interface IFunctionSerializer
    {
        T Deserialize<T>(Stream ins);

        Stream Serialize<T>(T value);
    }

    /// <summary>Names the serializer of a handler, or of all handlers of an assembly.</summary>
    [AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Method, Inherited = false)]
    public sealed class FunctionSerializerAttribute : Attribute
    {
        public FunctionSerializerAttribute(Type serializerType)
        {
            SerializerType = serializerType;
        }

        public Type SerializerType { get; set; }
    }

    /// <summary>JSON by .NET's own serializer; names are read whatever their case.</summary>
    public class JsonSerializer : IFunctionSerializer
    {
        static readonly System.Text.Json.JsonSerializerOptions Options = new System.Text.Json.JsonSerializerOptions
        {
            PropertyNameCaseInsensitive = true,
            Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };

        public T Deserialize<T>(Stream ins)
        {
            if (ins == null || ins.CanSeek && ins.Length == 0)
            {
                return default(T);
            }
            using (var reader = new StreamReader(ins, Encoding.UTF8, true, 1024, true))
            {
                return System.Text.Json.JsonSerializer.Deserialize<T>(reader.ReadToEnd(), Options);
            }
        }

        public Stream Serialize<T>(T value)
        {
            return new MemoryStream(Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(value, Options)));
        }
    }
}
