using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json.Serialization;
using HC.Serverless.Function.Common;

namespace Templates
{
    /// <summary>What a gateway trigger hands on of a request.</summary>
    public class Request
    {
        public string Body { get; set; }

        public bool IsBase64Encoded { get; set; }

        public Dictionary<string, string> QueryStringParameters { get; set; }
    }

    /// <summary>What the gateway makes its answer of.</summary>
    public class Answer
    {
        [JsonPropertyName("statusCode")]
        public int StatusCode { get; set; }

        [JsonPropertyName("headers")]
        public Dictionary<string, string> Headers { get; set; }

        [JsonPropertyName("isBase64Encoded")]
        public bool IsBase64Encoded { get; set; }

        [JsonPropertyName("body")]
        public string Body { get; set; }
    }

    /// <summary>Answers an HTTP request that a gateway trigger hands on.</summary>
    public class Gateway
    {
        [FunctionSerializer(typeof(JsonSerializer))]
        public Answer Handle(Request request, IFunctionContext context)
        {
            string body = request.Body ?? "";
            if (request.IsBase64Encoded)
            {
                body = Encoding.UTF8.GetString(Convert.FromBase64String(body));
            }
            string name = null;
            request.QueryStringParameters?.TryGetValue("name", out name);
            return new Answer
            {
                StatusCode = 200,
                Headers = new Dictionary<string, string> { ["Content-Type"] = "text/plain" },
                Body = "Hello, " + (name ?? "world") + "! You sent " + body.Length + " characters.",
            };
        }
    }
}
