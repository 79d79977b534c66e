using System;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Cannot begin.</summary>
    public class Winter
    {
        public void Begin(IFunctionContext context)
        {
            throw new InvalidOperationException("too cold");
        }

        public string Grow(string input, IFunctionContext context)
        {
            return input;
        }
    }
}
