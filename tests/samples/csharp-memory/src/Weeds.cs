using System.Collections.Generic;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Takes all the memory there is.</summary>
    public class Weeds
    {
        public string Grow(string input, IFunctionContext context)
        {
            var all = new List<byte[]>();
            while (input.Contains("grow"))
            {
                var piece = new byte[1 << 20];
                for (int at = 0; at < piece.Length; at += 4096)
                {
                    piece[at] = 1;
                }
                all.Add(piece);
            }
            return "cut";
        }
    }
}
