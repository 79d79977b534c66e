using System.IO;
using System.Text;
using System.Text.Json;
using HC.Serverless.Function.Common;

namespace Templates
{
    /// <summary>Says hello to whoever the event names.</summary>
    public class Hello
    {
        public Stream Handle(Stream input, IFunctionContext context)
        {
            using (JsonDocument given = JsonDocument.Parse(input))
            {
                string name = given.RootElement.TryGetProperty("name", out JsonElement value) ? value.ToString() : "world";
                context.Logger.Logf("saying hello to {0}", name);
                return new MemoryStream(Encoding.UTF8.GetBytes("Hello, " + name + "!"));
            }
        }
    }
}
