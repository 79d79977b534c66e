using System.Collections.Generic;
using System.IO;
using System.Text;
using HC.Serverless.Function.Common;

namespace Garden
{
    public class Round
    {
        public Round Next { get; set; }
    }

    /// <summary>Never ends.</summary>
    public class Spring : MemoryStream
    {
        public override bool CanSeek => false;

        public override int Read(byte[] buffer, int offset, int count) => count;
    }

    /// <summary>Returns what it is asked for.</summary>
    public class Well
    {
        public object Draw(string input, IFunctionContext context)
        {
            switch (input)
            {
                case "null":
                    return null;
                case "1":
                    return "\u201etext\u201c";
                case "2":
                    return 2.5;
                case "3":
                    var round = new Round();
                    round.Next = round;
                    return round;
                case "4":
                    return new string('a', 6291457);
                case "5":
                    return new byte[] { 0, 255, 65 };
                case "6":
                    var stream = new MemoryStream();
                    stream.Write(Encoding.UTF8.GetBytes("wet"), 0, 3);
                    return stream;
                case "7":
                    return new Spring();
                case "8":
                    return new Dictionary<string, object> { ["\u00e4"] = new[] { 1, 2 }, ["b"] = null };
                default:
                    return input;
            }
        }
    }
}
