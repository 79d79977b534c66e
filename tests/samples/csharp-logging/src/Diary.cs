using System;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Logs, and prints.</summary>
    public class Diary
    {
        public void Write(string input, IFunctionContext context)
        {
            IFunctionLogger log = context.Logger;
            log.Log("a leaf");
            log.Logf("{0} slugs", 2);
            log.Logf("{0} of {");
            log.Logf("{0} of {", "here");
            log.Log(null);
            Console.WriteLine("printed \u00e4\u00f6\u00fc");
            Console.Error.WriteLine("{0} {1}", 3, "errors");
            Console.Write("one\ntwo\nno");
            Console.Write(' ');
            Console.Write(new[] { 'e', 'n', 'd' });
        }
    }
}
