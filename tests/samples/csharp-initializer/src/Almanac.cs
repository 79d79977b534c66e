using System;
using System.Threading.Tasks;
using HC.Serverless.Function.Common;

namespace Garden
{
    /// <summary>Opens once.</summary>
    public class Almanac
    {
        int opened;
        int left;

        public async Task Open(IFunctionContext context)
        {
            await Task.Yield();
            Console.WriteLine("opening");
            left = context.RemainingTimeInMilliSeconds;
            opened++;
        }

        public string Read(string input, IFunctionContext context)
        {
            return "opened " + opened + " times in " + (left > 0 && left <= 7000);
        }
    }
}
