using System.IO;
using System.Text;
using System.Text.Json;
using HC.Serverless.Function.Common;

namespace Templates
{
    /// <summary>Runs each time its timer fires. What the timer carries is a text, even where it holds JSON.</summary>
    public class Timer
    {
        public Stream Handle(Stream input, IFunctionContext context)
        {
            using (JsonDocument given = JsonDocument.Parse(input))
            {
                string Of(string name) => given.RootElement.GetProperty(name).GetString();
                context.Logger.Logf("fired at {0}", Of("time"));
                return new MemoryStream(Encoding.UTF8.GetBytes(Of("trigger_name") + " did: " + Of("user_event")));
            }
        }
    }
}
