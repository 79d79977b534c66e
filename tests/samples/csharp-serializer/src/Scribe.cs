using System.IO;
using System.Text;
using HC.Serverless.Function.Common;

namespace Garden
{
    public class Plant
    {
        public string Name { get; set; }
    }

    /// <summary>Two words in, a name in brackets out.</summary>
    public class Words : IFunctionSerializer
    {
        public T Deserialize<T>(Stream ins)
        {
            string[] words = new StreamReader(ins).ReadToEnd().Split(' ');
            return (T)(object)new Plant { Name = words[1] };
        }

        public Stream Serialize<T>(T value)
        {
            var stream = new MemoryStream();
            byte[] text = Encoding.UTF8.GetBytes("<" + ((Plant)(object)value).Name + ">");
            // Left at its end, as is easily done.
            stream.Write(text, 0, text.Length);
            return stream;
        }
    }

    /// <summary>Returns what it is given.</summary>
    public static class Scribe
    {
        [FunctionSerializer(typeof(Words))]
        public static Plant Write(Plant plant, IFunctionContext context)
        {
            return plant;
        }
    }
}
