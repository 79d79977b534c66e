using System;
using System.Threading;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Leaves when told to.</summary>
    public class Gardener
    {
        public string Work(string input, IFunctionContext context)
        {
            if (input.Contains("leave"))
            {
                Console.Write("good bye");
                Environment.Exit(3);
            }
            if (input.Contains("dig"))
            {
                Dig(1);
            }
            if (input.Contains("help"))
            {
                var helper = new Thread(() => throw new InvalidOperationException("nobody catches this"));
                helper.Start();
                helper.Join();
                Thread.Sleep(10000);
            }
            return "worked";
        }

        static int Dig(int depth)
        {
            return Dig(depth + 1) + 1;
        }
    }
}
